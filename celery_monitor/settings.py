"""Settings: a table of names, types, defaults, bounds and purposes."""

from __future__ import annotations

import math
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Final, NamedTuple

SCHEMES: Final = ("redis", "rediss", "redis+socket", "unix", "sentinel", "redis+cluster", "rediss+cluster")
"""URL schemes of `monitor_url`."""

_KIB: Final = 1024
_MIB: Final = 1024 * 1024

RESOURCES: Final = ("network", "io")
"""What `monitor_resources` may list."""


class Bounds(NamedTuple):
    """What a setting accepts: type, least and most of a number; and what it is for, in one sentence."""

    kind: type
    help: str
    least: float = -math.inf
    most: float = math.inf
    optional: bool = False
    default_text: str = ""  # how the default reads when it is worked out at start

    @property
    def range(self) -> str:
        """The numbers that are accepted, as people read them; empty without bounds."""
        return f"{self.least} to {self.most}" if self.least > -math.inf else ""


def _setting(kind: type, text: str, default: Any = MISSING, *, secret: bool = False, **bounds: Any) -> Any:
    # A dict has no hash; two settings that differ in it only may share one.
    hashed = None if kind is not dict else False
    return field(default=default, repr=not secret, hash=hashed, metadata={"bounds": Bounds(kind, text, **bounds)})


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, checked; field `x` is setting `monitor_x` and environment variable `CELERY_MONITOR_X`."""

    url: str = _setting(
        str,
        "Redis or Valkey that stores everything: redis, rediss, redis+socket, unix, sentinel or redis+cluster URL.",
        default_text="the broker when it is Redis, else the result backend",
        secret=True,
    )
    namespace: str = _setting(
        str,
        "Name of this fleet in the store; letters, digits and `_ . -`, at most 64.",
        default_text="the app's name, else `celery`",
    )
    namespace_is_default: bool = False
    enabled: bool = _setting(bool, "False: connect nothing, record nothing.", default=True)
    runtime_dir: str | None = _setting(
        str,
        "Absolute path of a tmpfs for the processes' rings.",
        None,
        optional=True,
        default_text="/dev/shm, else /run",  # noqa: S108 - words for people
    )
    ring_bytes: int = _setting(int, "Size of a process's ring, in bytes.", 256 * _KIB, least=64 * _KIB, most=16 * _MIB)
    flush_interval: float | None = _setting(
        float,
        "Seconds between an agent's flushes.",
        None,
        least=0.1,
        most=60,
        optional=True,
        default_text="1 to 10 s by the number of agents",
    )
    tick_interval: float = _setting(float, "Seconds between folds and alert checks.", 5.0, least=1, most=60)
    buffer_bytes: int = _setting(
        int,
        "Most that an agent keeps in memory while the store is away, in bytes.",
        64 * _MIB,
        least=_MIB,
        most=1024 * _MIB,
    )
    executions_bytes: int = _setting(
        int,
        "Most that single executions take in the store, in bytes (never over 15 % of its maxmemory).",
        256 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
    )
    rollup_bytes: int = _setting(
        int,
        "Most that all else takes in the store, in bytes (with executions never over a fifth of its maxmemory).",
        128 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
    )
    log_bytes: int = _setting(
        int,
        "Most that log records and failed executions take in the store, in bytes (never over 3 % of its maxmemory).",
        64 * _MIB,
        least=_MIB,
        most=1024 * 1024 * _MIB,
    )
    execution_hours: float = _setting(
        float,
        "Hours that single executions are kept: where their bytes hold less, some runs are left out. 0: never.",
        6.0,
        least=0,
        most=720,
    )
    rollup_days: int = _setting(int, "Days that charts and statistics go back.", 30, least=1, most=92)
    shards: int = _setting(int, "Hash tags to spread over; above 1 only for a Redis Cluster.", 1, least=1, most=64)
    resource_interval: float = _setting(
        float,
        "Seconds between samples of CPU, memory and so on; more where one takes over 0.3 % of a core.",
        5.0,
        least=1,
        most=300,
    )
    resources: tuple[str, ...] = _setting(
        tuple,
        "What else is measured of each attempt: `network` (connections opened, bytes sent and received by Python's "
        "sockets), `io` (read and write calls).",
        (),
    )
    build: str | None = _setting(
        str,
        "What was deployed (a commit, an image's tag), shown with each worker; at most 80 characters.",
        None,
        optional=True,
        default_text="none",
    )
    worker_days: float = _setting(
        float, "Days that a worker which is gone stays in the list of workers.", 1.0, least=0.01, most=92
    )
    queue_interval: float = _setting(float, "Seconds between samples of the broker's queues.", 10.0, least=1, most=300)
    rabbitmq_api: str | None = _setting(
        str,
        "URL of RabbitMQ's management API, like http://user:pass@host:15672: tells unacknowledged and oldest messages.",
        None,
        optional=True,
        default_text="none",
        secret=True,
    )
    capture_received: bool = _setting(
        bool,
        "True: note when a worker receives each message, which makes prefetch holds exact and costs its parent CPU.",
        default=False,
    )
    log_level: str = _setting(
        str,
        "Log records of tasks are kept from this level on: DEBUG, INFO, WARNING, ERROR, CRITICAL or OFF.",
        "WARNING",
    )
    log_buffer_level: str = _setting(
        str,
        "Lesser records, from this level on, are kept when the attempt ends badly: the last 50.",
        "INFO",
    )
    capture_arguments: bool = _setting(bool, "True: keep tasks' arguments, redacted and bounded.", default=False)
    capture_results: bool = _setting(bool, "True: keep tasks' results, redacted and bounded.", default=False)
    capture_span_data: str = _setting(
        str, 'Attributes of spans: `"none"`, or `"repr"` to keep them, redacted and bounded.', "none"
    )
    label_keys: tuple[str, ...] = _setting(
        tuple, "Keys of labels with statistics of their own: the first 50 values of each, then `other`.", ()
    )
    identity_labels: tuple[str, ...] = _setting(
        tuple,
        "Keys of labels whose values are indexed, as far as the bytes for executions reach.",
        ("session", "user", "correlation"),
    )
    anonymise_labels: tuple[str, ...] = _setting(
        tuple, "Keys of labels whose values leave the process as a keyed hash only.", ()
    )
    anonymise_key: str | None = _setting(
        str, "Key of that hash, the same in every process.", None, optional=True, default_text="none", secret=True
    )
    redact: dict[str, Any] | None = _setting(  # noqa: RUF009 - as below
        dict,
        "Secrets beside those known: `keys`, words in names, and `patterns`, regular expressions.",
        None,
        optional=True,
        default_text="`{}`",
    )
    exclude: dict[str, Any] | None = _setting(  # noqa: RUF009 - as below
        dict,
        "What is counted without content: `tasks` and `loggers` as shell patterns, and keys of `labels`.",
        None,
        optional=True,
        default_text="`{}`",
    )
    alerts: dict[str, Any] | None = _setting(  # noqa: RUF009 - makes a field, as `field` does
        dict,
        "Changes to the alert rules: rule name to its settings.",
        None,
        optional=True,
        default_text="`{}`",
    )


TABLE: Final[dict[str, Bounds]] = {f.name: f.metadata["bounds"] for f in fields(Settings) if f.metadata}
"""Every setting a user can give, by field name."""


def markdown_table() -> str:
    """Return the table of settings as docs/settings.md shows it."""
    rows = ["| setting | type | default | accepts | for |", "|---|---|---|---|---|"]
    defaults = {f.name: f.default for f in fields(Settings)}
    for name, bounds in TABLE.items():
        default = bounds.default_text or f"`{defaults[name]!r}`"
        rows.append(f"| `monitor_{name}` | {bounds.kind.__name__} | {default} | {bounds.range} | {bounds.help} |")
    return "\n".join(rows) + "\n"
