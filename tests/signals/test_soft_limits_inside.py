"""Soft time limits that strike while a task opens spans, waits, logs, measures and publishes: the body gets each."""

from __future__ import annotations

import logging
from collections import Counter
from types import FrameType

from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from celery.app.trace import build_tracer

from celery_monitor import measure, span, wait
from celery_monitor.agent import decode, details
from celery_monitor.agent.drain import RingReader
from celery_monitor.signals import attempts, handlers, logs, process
from celery_monitor.signals.record import Kind
from tests.signals.apart import apart
from tests.signals.test_soft_limits import Striker

INSIDE = {f"{name}.py" for name in ["spans", "waits", "measures", "logs", "owner", "inside", "content", "redact"]}
LOG = logging.getLogger("shop")


class Within(Striker):
    """Strikes wherever our code is, in what the body calls first of all."""

    @staticmethod
    def ours(frame: FrameType) -> bool:
        folder, _, name = frame.f_code.co_filename.rpartition("/")
        return folder.endswith("signals") and (name in INSIDE or Striker.ours(frame))


class Read:
    """What was recorded: ends of each attempt, and rows by table and name."""

    def __init__(self) -> None:
        self.ends, self.rows = Counter[bytes](), Counter[str]()
        self._reader: RingReader | None = None

    @property
    def reader(self) -> RingReader:
        """Of this process's ring."""
        if self._reader is None:
            assert process.me.writer is not None
            self._reader = RingReader(process.me.writer.ring)
        return self._reader

    def more(self) -> None:
        """Read what is new."""
        for kind, payload in self.reader.take(10**9):
            if kind == Kind.ATTEMPT:
                self.ends[decode.attempt(payload, b"ringring", "w", 1)[0].id] += 1
            elif (found := details.decode(kind, payload, b"ringring", "w")) is not None:
                self.rows.update(f"{found[0]} {row.name}" for row in found[1] if hasattr(row, "name"))
        self.reader.commit(self.reader.read)


def strike(times: int) -> tuple[Counter[str], Counter[str], dict[str, int], list[int], Counter[str]]:
    """Return where limits struck, how it went, the ring's losses, ends per attempt, and the rows that were recorded."""
    app = Celery("app", broker="memory://", backend=None)
    got: list[str] = []

    @app.task(name="other")
    def other() -> None: ...

    @app.task(name="body", ignore_result=True)
    def body() -> None:
        try:
            with span("outer", kind="tool") as s:
                other.delay()
                s.set(status=200)
                measure("n", 1)
                with wait("approval"), span("inner"):
                    LOG.warning("password=%s", "x")
                LOG.info("held")
            if striker.struck:
                striker.let_it_arrive()
        except SoftTimeLimitExceeded:
            got.append("limit")
            with span("cleaning up"):
                pass

    handlers.connect()
    process.place.size, process.place.start_agent = 16 * 1024 * 1024, lambda: None
    logging.getLogger().setLevel(logging.INFO)
    logging.getLogger("celery").setLevel(logging.ERROR)
    logs.budget.bytes = 1e12
    logs.attach()
    tracer = build_tracer("body", body, app=app)
    striker, where, how = Within(), Counter[str](), Counter[str]()
    begun, read = 0, Read()
    while where.total() < times or where["outside"] < times // 4:
        got.clear()
        begun += 1
        striker.arm()
        request = {"id": f"task-{begun}", "delivery_info": {"routing_key": "q"}, "is_eager": False, "hostname": "h"}
        try:
            tracer(request["id"], (), {}, request)
        except SoftTimeLimitExceeded:
            how["escaped"] += 1
        striker.armed = False
        if striker.struck:
            where[striker.struck] += 1
            how[f"{striker.struck}: {'reached the body' if got else 'did not'}"] += 1
        try:
            striker.let_it_arrive()
        except SoftTimeLimitExceeded:
            how["hit the idle child"] += 1
        read.more()
    writer = process.me.writer
    assert writer is not None
    assert not writer._lock.locked()
    how["open"] = len(list(read.reader.open_attempts()))
    how["slots"] = len(writer.free)
    how["begun"] = begun
    assert attempts.current() is None
    ends = [read.ends[b"\0task-%d" % number] for number in range(1, begun + 1)]
    return where, how, read.reader.losses(), ends, read.rows


def test_a_thousand_soft_limits_reach_the_body_and_every_attempt_has_its_end() -> None:
    where, how, losses, ends, rows = apart(strike, 1000, seconds=110)
    assert where["outside"] >= 250, "enough of them in what the body itself calls"
    for place in set(where) - {"on_task_postrun"}:
        assert how[f"{place}: did not"] == 0, how
    assert how["escaped"] == how["hit the idle child"] == 0, "a limit that struck after the body is nobody's"
    assert losses == {}
    assert Counter(ends) == {1: len(ends)}, "every attempt has one end"
    assert how["open"] == 0
    assert how["slots"] == process.place.slots
    reached = sum(n for place, n in how.items() if place.endswith("reached the body"))
    assert rows["spans cleaning up"] == reached
    assert rows["spans outer"] >= how["begun"] - reached
