"""What is known of a run, what it comes to, and the row that is stored of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from celery_monitor.analytics.executions import Execution
from celery_monitor.analytics.path import Bottleneck
from celery_monitor.analytics.plans import Pending
from celery_monitor.analytics.totals import Totals
from celery_monitor.analytics.tree import Node
from celery_monitor.details import Labelled, Measure, Plan, Run, RunState, Span, Wait
from celery_monitor.live_state import Running
from celery_monitor.model import Attempt, Publish, sampled
from celery_monitor.signals import labels as label_text
from celery_monitor.signals.record import Flag, fixed_id, pack_id, unpack_id

_PARTIAL = int(Flag.PARTIAL_RUN)


@dataclass(slots=True)
class Rows:
    """Everything that is known of one run.

    Attributes:
        run: its id, 16 bytes.
        running: attempts that workers say they run.
        waits: those that have ended, and those that are open (`ended_us` 0).
        runs: rows stored when it was over before.
    """

    run: bytes
    attempts: list[Attempt] = field(default_factory=list)
    publishes: list[Publish] = field(default_factory=list)
    running: list[Running] = field(default_factory=list)
    plans: list[Plan] = field(default_factory=list)
    labels: list[Labelled] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    measures: list[Measure] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    def __bool__(self) -> bool:
        return any((self.attempts, self.publishes, self.running, self.labels, self.spans, self.waits, self.measures))


@dataclass(slots=True)
class Judged:
    """What a run comes to, as of one moment.

    Attributes:
        executions: by id; machinery (`Execution.infrastructure`) is among them, and in no total.
        nodes, edges: the tree of attempts: key to node, key to the parent's key (b"" for none).
        pending: planned steps that were never published, one by one; `pooled` those told by their number.
        known: executions, planned ones included; `totals.completed` of them have ended.
        published_us, started_us, ended_us: 0 unknown; `ended_us` is 0 while it is open.
        newest_us: when it was last heard of.
        turnaround_us: -1 unknown.
        path: keys of the attempts that set the duration, the first one first.
        again_us: when time alone changes its state; 0 for never.
        abandoned: open waits of attempts that have ended, as the ended waits they have become.
        before: the row stored when it was over the last time.
    """

    run: bytes
    state: RunState
    workflow: str = ""
    root_task: str = ""
    description: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    continues: str = ""
    continued: bool = False
    executions: dict[bytes, Execution] = field(default_factory=dict)
    nodes: dict[bytes, Node] = field(default_factory=dict)
    edges: dict[bytes, bytes] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    pooled: list[Pending] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    known: int = 0
    totals: Totals = field(default_factory=Totals)
    published_us: int = 0
    started_us: int = 0
    ended_us: int = 0
    newest_us: int = 0
    duration_us: int = 0
    turnaround_us: int = -1
    path: list[bytes] = field(default_factory=list)
    bottleneck: Bottleneck = Bottleneck("", 0)  # noqa: RUF009 - a tuple
    again_us: int = 0
    abandoned: list[Wait] = field(default_factory=list)
    before: Run | None = None

    @property
    def over(self) -> bool:
        """Whether it has come to an end; what is stuck has not."""
        return self.state not in {RunState.RUNNING, RunState.STUCK}

    @property
    def progress(self) -> float | None:
        """Completed executions of those that are known, None when none is."""
        return round(self.totals.completed / self.known, 4) if self.known else None


def row(judged: Judged) -> Run:
    """Return the row to store of a run that is over, one revision above the row of the last time."""
    t = judged.totals
    labels = judged.labels | ({label_text.CONTINUES: judged.continues} if judged.continues else {})
    return Run(
        id=b"",
        run=judged.run,
        revision=judged.before.revision + 1 if judged.before else 1,
        state=int(judged.state),
        workflow=judged.workflow,
        root_task=judged.root_task,
        at_us=judged.ended_us or judged.newest_us,
        published_us=judged.published_us,
        started_us=judged.started_us,
        duration_us=judged.duration_us,
        turnaround_us=judged.turnaround_us,
        known=judged.known,
        completed=t.completed,
        failed=t.failed,
        errors=t.errors,
        retries=t.retries,
        wait_us=t.wait_us,
        cpu_us=t.cpu_us,
        rss_kib=t.rss_kib,
        spans=t.spans,
        bottleneck=judged.bottleneck.step,
        bottleneck_us=judged.bottleneck.duration_us,
        labels=label_text.write(labels),
        tasks="\n".join(t.tasks.names),
        workers="\n".join(t.workers.names),
        queues="\n".join(t.queues.names),
        one_in=_one_in(judged),
    )


def _one_in(judged: Judged) -> int:
    """Return how many runs this one stands for, negative when only parts of it were kept."""
    flags = [f for one in judged.executions.values() for f in one.flags]
    one_in = max(map(sampled, flags), default=judged.before.one_in if judged.before else 1)
    return -one_in if any(f & _PARTIAL for f in flags) else one_in


def id_of(text: str) -> bytes:
    """Return the run's id (16 bytes) of its text.

    >>> text_of(id_of("0b9e2f6c-1111-4222-8333-444455556666"))
    '0b9e2f6c-1111-4222-8333-444455556666'
    """
    return fixed_id(pack_id(text))


def text_of(run: bytes) -> str:
    """Return the text of a run's id."""
    return unpack_id(run)
