"""How much of the server's memory is ours to take: the store is usually somebody's broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redis.exceptions import NoPermissionError, ResponseError

from celery_monitor.store.connection import Store

EXECUTIONS_SHARE: Final = 0.15
METRICS_INBOX_SHARE: Final = 0.02
TASKS_INBOX_SHARE: Final = 0.03
"""Together a fifth of ``maxmemory``; live state and rollups are small beside it."""
EXECUTIONS_BELOW: Final = 0.70
COUNTERS_BELOW: Final = 0.85
METRICS_INBOX_BYTES: Final = 24 * 1024 * 1024
TASKS_INBOX_BYTES: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """What INFO says of the server's memory.

    Attributes:
        used_bytes, max_bytes: 0 when the server does not say; `max_bytes` is 0 also when there is no limit.
        policy: maxmemory_policy, empty when unknown.
    """

    used_bytes: int = 0
    max_bytes: int = 0
    policy: str = ""

    @property
    def ratio(self) -> float:
        """Used share of the limit, 0 without a limit."""
        return self.used_bytes / self.max_bytes if self.max_bytes else 0.0

    @property
    def takes_executions(self) -> bool:
        """Whether new executions may be written."""
        return self.ratio <= EXECUTIONS_BELOW

    @property
    def takes_counters(self) -> bool:
        """Whether new counters may be written."""
        return self.ratio <= COUNTERS_BELOW

    def share(self, share: float, configured: int) -> int:
        """Return the lesser of configured bytes and a share of the limit."""
        return min(configured, int(self.max_bytes * share)) if self.max_bytes else configured


def read(store: Store) -> Memory:
    """Ask the server; where INFO is forbidden nothing is known and the configured bytes hold."""
    with store.translated():
        try:
            info = store.client.info("memory")
        except NoPermissionError:
            return Memory()
        except ResponseError:
            return Memory()
    return Memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", "")))
