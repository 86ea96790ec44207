"""The rows beside attempts and publishes: what happens inside an attempt, around it, and what a run came to.

Units and ids as in `celery_monitor.model`. Every row has `id` (an execution, ``b""`` where none is meant), `run` (16
bytes, ``b""`` when it is the fixed id of `id`) and `at_us` (when it became true: of what lasts, its end).
"""

from __future__ import annotations

import enum
from typing import Any, Final, NamedTuple


class RunState(enum.IntEnum):
    """How a run stands; values are stored and never renumbered."""

    RUNNING = 0  # something of it waits in a queue, runs, or is planned and can still come
    SUCCEEDED = 1  # over, and nothing of it failed
    FAILED = 2  # over: a planned step was never published, its last steps failed, or nothing of it succeeded
    STUCK = 3  # nothing runs or waits in a queue, yet planned steps are missing for longer than a minute
    PARTIAL = 4  # over: it reached its end, and something in it failed


class Span(NamedTuple):
    """A named part of an attempt that has ended. It started at ``at_us - duration_us``."""

    id: bytes
    run: bytes
    uid: bytes  # of its attempt; b"" outside a task
    number: int  # 1, 2, 3, ... in its attempt, in the order they were opened
    parent: int  # number of the span around it, 0 for none
    name: str
    kind: str  # agent, tool, api, db, ... as the user says
    task: str
    workflow: str
    worker: str
    at_us: int
    duration_us: int
    failed: int  # 1 when it ended with an error
    exception: str  # type name, "" for none
    message: str
    api: str  # the external API it called, "" for none
    api_status: int  # its status code, 0 unknown
    api_us: int  # its response time, -1 unknown
    attributes: str  # a JSON object, "" for none


class Wait(NamedTuple):
    """The beginning or the end of a wait for something outside (an approval); the fold pairs the two by `key`.

    A row in a block has both times; in a batch it has one of them, or both when it began and ended in one flush.
    """

    id: bytes  # of the execution that waits, b"" when it was begun for the run as a whole
    run: bytes
    uid: bytes  # of the attempt that waits, b"" for none
    key: bytes  # 16 bytes: what pairs a beginning with its end
    name: str
    task: str
    workflow: str
    at_us: int
    begun_us: int  # 0 unknown
    ended_us: int  # 0 while it is open
    outcome: str  # "done" unless the user says otherwise; "error", "abandoned"
    ended_by: str  # who ended it, as the user says


def closed(begun: Wait, end: Wait) -> Wait:
    """Return the wait that a beginning and its end are; by clocks of two hosts it may have ended before it began."""
    ended_us = max(end.ended_us, begun.begun_us)
    return begun._replace(at_us=ended_us, ended_us=ended_us, outcome=end.outcome, ended_by=end.ended_by)


class Measure(NamedTuple):
    """A number that was reported: tokens, rows, cost, a score."""

    id: bytes
    run: bytes
    uid: bytes
    name: str
    kind: str  # sum, gauge, histogram
    unit: str
    task: str
    workflow: str
    at_us: int
    value: float


class Log(NamedTuple):
    """A log record that was emitted inside an attempt."""

    id: bytes
    run: bytes
    uid: bytes
    level: int  # of `logging`: 30 for WARNING
    logger: str
    message: str
    extra: str  # a JSON object, "" for none
    exception: str  # formatted traceback, "" for none
    task: str
    workflow: str
    worker: str
    at_us: int


class Content(NamedTuple):
    """What an attempt was called with and what it returned, as JSON, when asked for; two rows, one text each."""

    id: bytes
    run: bytes
    uid: bytes
    arguments: str  # a JSON object by parameter, "" in the row of the result
    result: str  # any JSON, "" in the row of the arguments
    at_us: int


class Traffic(NamedTuple):
    """What an attempt did beside what is known of every attempt, when asked for; -1 is unknown."""

    id: bytes
    run: bytes
    uid: bytes
    task: str
    connections: int  # to addresses of the internet, opened by Python in the attempt's thread and those it started
    network_sent_bytes: int  # by Python's sockets there; of TLS what goes over the wire
    network_received_bytes: int
    reads: int  # calls of the kernel that read
    writes: int
    at_us: int


class Plan(NamedTuple):
    """A step that a published message plans and that may never be published itself; recorded once per plan."""

    id: bytes  # b"" for a row that stands for so many `steps` of one task name
    run: bytes
    after: bytes  # id of the step, or of the group, whose end it waits for
    group: bytes  # group it belongs to, b"" for none
    body: int  # 1 for a chord's body
    task: str
    queue: str
    workflow: str
    steps: int
    at_us: int


class Labelled(NamedTuple):
    """Labels, name and description of a run (`id` empty), or labels of one execution beyond its run's."""

    id: bytes
    run: bytes
    labels: str  # as `signals.labels` writes them: "key=value&key=value", percent-encoded, keys in order
    workflow: str
    description: str
    at_us: int


class Run(NamedTuple):
    """What a run came to when it was over; a later row of the same run replaces an earlier one."""

    id: bytes  # b"": a run is no execution
    run: bytes
    revision: int  # 1, and one more for each time it was open again
    state: int  # `RunState`
    workflow: str
    root_task: str
    at_us: int  # its end
    published_us: int  # first publish, 0 unknown
    started_us: int  # first start of an attempt, 0 when none started
    duration_us: int  # first start (or publish) to end
    turnaround_us: int  # first publish to the last end that its caller waits for; -1 unknown
    known: int  # executions, planned ones included
    completed: int
    failed: int
    errors: int  # attempts that ended in an error, retried ones included
    retries: int
    wait_us: int  # sum over its attempts
    cpu_us: int  # -1 unknown
    rss_kib: int  # highest of its attempts, 0 unknown
    spans: int
    bottleneck: str  # step with the most run time on the path that set the duration
    bottleneck_us: int
    labels: str  # of the run, as in `Labelled`
    tasks: str  # names, newline-separated, 20 at most
    workers: str
    queues: str
    one_in: int = 1  # it stands for so many runs, as the others were not kept; negative: only parts of it were kept


class Fire(NamedTuple):
    """An entry that a beat has sent, or failed to send; kept apart from the others (`store.schedule`)."""

    id: bytes  # of the execution, b"" when it was not sent
    run: bytes
    key: bytes  # of the beat's process: its ring
    entry: str
    task: str
    beat: str
    error: str  # why it was not sent, "" when it was
    at_us: int
    due_us: int  # 0 unknown
    next_us: int  # when it is due again, 0 unknown
    skipped: int  # how many more times it was due since the last one


ROWS: Final[dict[str, type[Any]]] = {
    "spans": Span,
    "waits": Wait,
    "measures": Measure,
    "logs": Log,
    "contents": Content,
    "traffic": Traffic,
    "plans": Plan,
    "labels": Labelled,
    "runs": Run,
    "fires": Fire,
}
"""Table name to its kind of row."""
