from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from celery_monitor.cli.fleet import Fleet, ProcessEndedError
from tests.waiting import until

STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def fleet(tmp_path: Path):
    fleet = Fleet(tmp_path, tmp_path, os.environ)
    yield fleet
    fleet.stop(seconds=0)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_a_member_that_ends_by_itself_is_reported_with_its_last_lines(fleet: Fleet) -> None:
    fleet.start("sleeper", python("import time; time.sleep(600)"))
    fleet.check()
    member = fleet.start("worker-a", python("print('no such queue'); raise SystemExit(3)"))
    member.process.wait()
    with pytest.raises(ProcessEndedError, match=r"worker-a ended by itself with code 3:\n    no such queue") as e:
        fleet.check()
    assert str(member.log) in str(e.value)


def test_waiting_ends_when_the_member_is_ready(fleet: Fleet) -> None:
    fleet.start("flower", python("import time; print('listening', flush=True); time.sleep(600)"))
    fleet.wait_ready("flower", lambda member: "listening" in member.written())


def test_a_member_that_does_not_get_ready_in_time_is_an_error(fleet: Fleet) -> None:
    fleet.start("flower", python("import time; time.sleep(600)"))
    with pytest.raises(ProcessEndedError, match=r"flower was not ready within 0\.2 s"):
        fleet.wait_ready("flower", lambda member: False, seconds=0.2)


def test_a_member_that_ignores_sigterm_is_killed_after_the_grace(fleet: Fleet) -> None:
    member = fleet.start("stubborn", python(STUBBORN))
    fleet.wait_ready("stubborn", lambda member: "up" in member.written())
    began = time.monotonic()
    fleet.stop(seconds=0.3)
    assert member.process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 5


def test_children_do_not_outlive_their_parent(fleet: Fleet) -> None:
    member = fleet.start("parent", python(PARENT))
    fleet.wait_ready("parent", lambda member: member.written().strip() != "")
    child = int(member.written())
    assert psutil.pid_exists(child)
    fleet.stop()
    until(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == "zombie")


def test_named_members_stop_and_the_others_run_on(fleet: Fleet) -> None:
    one = fleet.start("one", python("import time; time.sleep(600)"))
    two = fleet.start("two", python("import time; time.sleep(600)"))
    fleet.stop("one")
    assert not one.alive
    assert two.alive
    fleet.check()
