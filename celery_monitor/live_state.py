"""What live processes say of themselves, and what the fold tells them: the plain data of the live table.

Units: `_us` microseconds (points in time since the epoch), `_s` seconds, `_bytes` bytes.
"""

from __future__ import annotations

from typing import Any, TypedDict


class Running(TypedDict):
    """An attempt that has started and not ended, in an agent's live state."""

    uid: str  # hex
    id: str
    run: str  # hex
    task: str
    queue: str
    pid: int
    started_us: int
    workflow: str
    flags: int
    ids: tuple[str, str, str]  # root, parent, group; "" for none, and for a root that is the id itself


class _HostLevels(TypedDict):
    cpu_percent: float
    load1: float
    cpus: float
    memory_used_bytes: int
    memory_total_bytes: int
    disk_used_bytes: int
    disk_total_bytes: int


class HostSample(_HostLevels, total=False):
    """What the machine had left at the last sample; where its container has limits, what they leave of it."""

    swap_used_bytes: int
    swap_total_bytes: int
    sent_bytes_s: float
    received_bytes_s: float
    cpu_limit: float  # cores that the control group may use at a time; missing when it may use all
    throttled_ratio: float  # share of the scheduler's periods in which it was held back
    memory_limit_bytes: int
    machine_cpus: float
    machine_memory_bytes: int


class AgentState(TypedDict, total=False):
    """The live state an agent writes with each flush or heartbeat; msgpack in the live table, keyed by boot."""

    v: int
    boot: str  # hex
    role: str  # worker, beat, producer, flower, serve
    hostname: str  # node name of a worker (celery@a), else role@host
    host: str
    pid: int
    app: str
    at_us: int
    started_us: int
    interval_s: float  # until the next heartbeat at the latest
    goodbye: bool  # True in the last word of an orderly shutdown
    pool: str
    slots: int
    queues: list[str]
    running: list[Running]
    prefetched: dict[str, int]  # queue -> messages held, not started
    held: list[list[Any]]  # some of them and of the next: [id, task, queue, since us, give or take us, eta us or 0]
    eta_held: dict[str, int]  # queue -> messages held until their ETA
    eta_beyond: dict[str, int]  # queue -> those of them that the broker gives out again before it
    visibility_s: float  # after how long the broker gives out again what is held; 0 never
    child_memory_bytes: int  # a child of its pool is replaced once it had more resident; missing for never
    prefetch_limit: int  # messages it may hold, 0 for any number
    taken_us: int  # when it was last seen to have taken or started a message
    children: list[dict[str, Any]]  # of its pool: `agent.processes`
    main: dict[str, Any]  # the same of the process itself
    exits: dict[str, int]  # how children of its pool ended, and how often
    deaths: list[dict[str, Any]]  # the last of those that should not have ended so
    cpu_percent: float  # of the process and its children
    rss_bytes: int
    rates: dict[str, float]  # of all its processes: bytes read and written, switches, each per second
    clock_us: int  # by how much its clock is ahead of the server's; `at_us` and `started_us` are put right by it
    clock_error_us: int
    build: str
    machine: HostSample
    dropped: dict[str, int]  # what was lost and why, since boot
    dropped_us: int  # when that last became more
    notes: list[str]  # degradations a person should know ("ring in anonymous memory: ...")
    versions: dict[str, str]


class Pace(TypedDict):
    """What the fold tells agents in the one key they read: how many they are, when and by whom it last ran."""

    agents: int
    folded_us: int
    by: str  # boot (hex) of the process that ticked
    role: str
    interval_s: float
    queues: list[str]  # queues that live workers consume
    one_in: int  # of so many runs one is kept, a power of two
    one_in_us: int  # since when
    task_us: int  # when the tick's task last ran, whoever has ticked since; 0 for never
    deaf: bool  # the last tick judged nobody, for nobody could have been heard
    undecodable_us: int  # when the fold last came upon an entry that it could not decode; 0 for never
