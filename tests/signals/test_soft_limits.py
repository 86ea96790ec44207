"""Soft time limits that strike while our handlers run: the body gets them, and nothing of ours is lost or torn."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from types import FrameType

import pytest
from billiard.exceptions import SoftTimeLimitExceeded
from celery import Celery
from celery.app.trace import build_tracer
from celery.utils.dispatch import Signal

from celery_monitor.agent import decode
from celery_monitor.agent.drain import RingReader
from celery_monitor.signals import attempts, handlers, process
from celery_monitor.signals.record import Kind
from tests.signals.apart import apart

OURS = {f"{name}.py" for name in ["attempts", "publishes", "process", "writer", "layout", "run", "header", "record"]}
SEEN_OFTEN = ("on_task_prerun", "on_before_task_publish", "on_task_postrun")


class Striker:
    """Raises the limit, once per task, at a random moment inside our code; a timer looks where the process is."""

    def __init__(self) -> None:
        self.struck = ""
        self.armed = False
        self.late = False
        signal.signal(signal.SIGALRM, self.look)
        signal.signal(signal.SIGUSR1, self.limit)

    def arm(self) -> None:
        self.struck, self.armed = "", True
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 6e-4))

    def look(self, _: int, frame: FrameType | None) -> None:
        if self.late:
            self.limit(0, frame)
        if not self.armed:
            return
        if frame is not None and self.ours(frame):
            self.armed, self.struck = False, self.place(frame)
            raise SoftTimeLimitExceeded
        signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 5e-5))

    def limit(self, _: int, frame: FrameType | None) -> None:
        """Raise the limit that was given back, but not inside kombu: it would leave its locks and its pool taken.

        Nor in a dispatcher, which would eat it: the guard sends none there, but on a busy machine the thread may begin
        a dispatch between the guard's look and its signal; and a late one of ours has not been looked at by it.
        """
        self.late = any(
            "/kombu/" in inner.f_code.co_filename or inner.f_code is Signal.send.__code__ for inner in stack(frame)
        )
        if not self.late:
            raise SoftTimeLimitExceeded
        signal.setitimer(signal.ITIMER_REAL, 1e-4)

    @staticmethod
    def ours(frame: FrameType) -> bool:
        folder, _, name = frame.f_code.co_filename.rpartition("/")
        return name in OURS and folder.endswith("signals")

    @staticmethod
    def place(frame: FrameType) -> str:
        """Return the handler in which the process is."""
        names = (inner.f_code.co_name for inner in stack(frame))
        return next((name for name in names if name.startswith("on_")), "outside")

    def let_it_arrive(self) -> None:
        """Go on until no limit is on its way any more; one that arrives is raised here.

        Whether the thread lives that gives a limit back is asked without a lock, in which one might strike.
        """
        while self.late or len(sys._current_frames()) > 1:
            time.sleep(0.0005)


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Yield a frame and those that it was called from."""
    while frame is not None:
        yield frame
        frame = frame.f_back


def strike(times: int) -> tuple[Counter[str], Counter[str], dict[str, int], list[int]]:
    """Return where limits struck, how it went, the ring's losses and ends per attempt."""
    app = Celery("app", broker="memory://", backend=None)
    got: list[str] = []

    @app.task(name="other")
    def other() -> None: ...

    @app.task(name="body", ignore_result=True)
    def body() -> None:
        try:
            other.delay()
            if striker.struck:
                striker.let_it_arrive()
        except SoftTimeLimitExceeded:
            got.append("limit")

    handlers.connect()
    process.place.size = 16 * 1024 * 1024
    tracer = build_tracer("body", body, app=app)
    striker, where, how = Striker(), Counter[str](), Counter[str]()
    begun = 0
    while sum(where.values()) < times or min(where[name] for name in SEEN_OFTEN) <= 20:
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
    writer = process.me.writer
    assert writer is not None
    assert not writer._lock.locked()
    reader = RingReader(writer.ring)
    payloads = [payload for kind, payload in reader.take(10**9) if kind == Kind.ATTEMPT]
    ends = Counter(decode.attempt(payload, b"ringring", "w", 1)[0].id for payload in payloads)
    how["open"] = len(list(reader.open_attempts()))
    how["slots"] = len(writer.free)
    assert attempts.current() is None
    return where, how, reader.losses(), [ends[b"\0task-%d" % number] for number in range(1, begun + 1)]


@pytest.mark.timeout(300)
def test_a_thousand_soft_limits_inside_our_handlers_reach_the_body_and_cost_no_record() -> None:
    where, how, losses, ends = apart(strike, 1000, seconds=240)
    assert sum(where.values()) >= 1000
    assert min(where[name] for name in SEEN_OFTEN) > 20
    for name in ("on_task_prerun", "on_before_task_publish", "on_after_task_publish"):
        assert how[f"{name}: did not"] == 0, how
    assert how["escaped"] == how["hit the idle child"] == 0, "a limit that struck after the body is nobody's"
    assert losses == {}
    assert Counter(ends) == {1: len(ends)}, "every attempt has one end"
    assert how["open"] == 0
    assert how["slots"] == process.place.slots
