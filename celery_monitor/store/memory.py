"""How much of the server's memory is ours to take: the store is usually somebody's broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from redis.exceptions import NoPermissionError, ResponseError

from celery_monitor.store.connection import Store

TOTAL_SHARE: Final = 0.20
EXECUTIONS_SHARE: Final = 0.15
EXECUTIONS_BELOW: Final = 0.70
COUNTERS_BELOW: Final = 0.85
_LOGS_PART: Final = 0.2
"""Of the share of executions: the most for log records and failures."""
_INBOX_PART: Final = 0.2
"""Of either budget: what waits for the fold, for minutes when nobody folds."""
_COUNTERS_INBOX_BYTES: Final = 24 * 1024 * 1024
_ROLLUPS_PART: Final = 0.25
"""Of the budget of counters: the least that rollups get, however much all else takes; executions make room then."""
_LIVE_PART: Final = 0.1
_LEAST_STATE: Final = 2_000
"""Bytes of an agent's state without the attempts it is running, with some of those."""
_NOTES_PART: Final = 0.05


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


@dataclass(frozen=True, slots=True)
class Budget:
    """The bytes that are ours: those configured, or shares of the server's limit where that is less.

    Attributes:
        executions: for rows, their index, and their inbox.
        logs: for log records and attempts that failed, and their index.
        counters: for all else: rollups, totals since ever, live table, what was seen, and their inbox.
    """

    executions: int
    counters: int
    logs: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.executions + self.counters + self.logs

    @property
    def rows_inbox(self) -> int:
        """Most that may wait in the inbox of rows."""
        return int(self.executions * _INBOX_PART)

    @property
    def counters_inbox(self) -> int:
        """Most that may wait in the inbox of counters."""
        return min(int(self.counters * _INBOX_PART), _COUNTERS_INBOX_BYTES)

    def rollups(self, rest: int) -> int:
        """Most that rollups may take beside `rest` bytes of totals, live table and so on."""
        return max(self.counters - self.counters_inbox - rest, int(self.counters * _ROLLUPS_PART))

    def blocks(self, rest: int) -> int:
        """Most that stored rows and their index may take."""
        beside = self.counters_inbox + self.rollups(rest) + rest
        return max(0, self.executions - self.rows_inbox - max(0, beside - self.counters))

    def state(self, agents: int) -> int:
        """Most bytes of one agent's state in the live table."""
        return max(_LEAST_STATE, int(self.counters * _LIVE_PART) // max(agents, 8))

    @property
    def notes(self) -> int:
        """Most bytes of notes on lost attempts."""
        return int(self.counters * _NOTES_PART)


def budget(store: Store, room: Memory) -> Budget:
    """Return what is ours on a server with so much memory.

    >>> store = Store.open("redis://h", "shop")
    >>> budget(store, Memory(0, 1_000_000_000))
    Budget(executions=120000000, counters=50000000, logs=30000000)
    """
    if not room.max_bytes:
        return Budget(store.executions_bytes, store.rollup_bytes, store.log_bytes)
    # In a Cluster all shards may come to lie on one node.
    rows = int(room.max_bytes * EXECUTIONS_SHARE) // store.parts
    logs = min(store.log_bytes, int(rows * _LOGS_PART))
    executions = min(store.executions_bytes, rows - logs)
    rest = int(room.max_bytes * TOTAL_SHARE) // store.parts - executions - logs
    return Budget(executions, min(store.rollup_bytes, rest), logs)


def read(store: Store) -> Memory:
    """Ask the server of one shard; where INFO is forbidden nothing is known and the configured bytes hold."""
    with store.translated():
        try:
            info = store.info("memory")
        except NoPermissionError:
            return Memory()
        except ResponseError:
            return Memory()
    return Memory(int(info.get("used_memory", 0)), int(info.get("maxmemory", 0)), str(info.get("maxmemory_policy", "")))
