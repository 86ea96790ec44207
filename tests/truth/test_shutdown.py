"""Ends that a worker's own end brings about."""

from __future__ import annotations

import signal

from tests.processes import CeleryProcess
from tests.truth.conftest import Scene
from tests.truth.script import CELERY, SUCCESS, ends

OK = "SUCCESS ok"
CUT = "LOST shutdown" if CELERY >= (5, 6) else "FAILURE worker_lost"
AGAIN = ends(CUT, OK) if CELERY >= (5, 6) else ends(CUT)
"""An older Celery acknowledges what it cuts off."""


def test_a_warm_shutdown_loses_nothing_and_repeats_nothing(scene: Scene) -> None:
    first = scene.work(concurrency=1)
    ids = scene.send("nap", 1, right=SUCCESS, times=4)
    scene.begun(ids[0])
    first.stop()
    scene.work()
    scene.settle()


def test_a_cold_shutdown_loses_what_was_acknowledged_and_repeats_the_rest(scene: Scene) -> None:
    scene.redeliver_after(4)
    first = scene.work()
    early = scene.send("nap", 60, right=ends(CUT))
    late = scene.send("late_once", 60, right=AGAIN)
    scene.begun(early[0])
    scene.begun(late[0])
    _quit(first)
    scene.timed_out()
    scene.work()
    scene.settle()


def test_a_soft_shutdown_lets_end_what_ends_in_time(scene: Scene) -> None:
    scene.redeliver_after(12)  # longer than it takes on a busy machine to get there
    scene.settings["worker_soft_shutdown_timeout"] = 3.0
    first = scene.work()
    soft = CELERY >= (5, 5)
    late = scene.send("late_once", 60, right=AGAIN)
    scene.begun(late[0])
    brief = scene.send("nap", 2, right=SUCCESS if soft else None)
    scene.begun(brief[0])
    _quit(first)
    scene.timed_out()
    scene.work()
    scene.settle()


def _quit(worker: CeleryProcess) -> None:
    """Ask for a cold shutdown, which waits a while for running tasks when it is told to be soft."""
    assert worker.process is not None
    worker.process.send_signal(signal.SIGQUIT)
    worker.process.wait(30)
