"""What is said of a process is what the kernel says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from celery_monitor.agent import processes
from celery_monitor.agent.processes import Processes
from tests.waiting import until

MIB = 1024 * 1024
CODE = f"""
import os, sys, threading
held = b"\\1" * (80 * {MIB})
files = [open("/dev/null") for _ in range(50)]
stop = threading.Event()
threads = [threading.Thread(target=stop.wait, daemon=True) for _ in range(3)]
[t.start() for t in threads]
print("ready", flush=True)
sys.stdin.readline()
with open(sys.argv[1], "wb") as out:
    out.write(os.urandom({MIB}) * 20)
    out.flush()
    os.fsync(out.fileno())
print("written", flush=True)
sys.stdin.readline()
"""


def status(pid: int, name: str) -> int:
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1])


def test_a_process_is_told_as_the_kernel_tells_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE, str(tmp_path / "out")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        looks = Processes()
        (first,) = looks.look([process.pid], 0.0)
        assert looks.rates([first], 0.0)["written_bytes_s"] == 0.0
        assert first["rss_bytes"] == pytest.approx(status(process.pid, "VmRSS") * 1024, rel=0.1)
        looks.peaks([first])
        assert first["peak_rss_bytes"] == status(process.pid, "VmHWM") * 1024 >= 80 * MIB
        assert first["threads"] == 4
        assert first["fds"] == len(os.listdir(f"/proc/{process.pid}/fd"))
        assert first["switches"] == status(process.pid, "voluntary_ctxt_switches")
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "written\n"
        (second,) = looks.look([process.pid], 100.0)
        assert second["uss_bytes"] == pytest.approx(first["rss_bytes"], rel=0.3)
        assert second["written_bytes"] - first["written_bytes"] == pytest.approx(20 * MIB, rel=0.1)
        assert looks.rates([second], 2.0)["written_bytes_s"] == pytest.approx(10 * MIB, rel=0.1)
        process.stdin.write("\n")
        process.stdin.flush()
    assert looks.look([process.pid], 200.0) == []
    looks.peaks([second])
    assert "peak_rss_bytes" not in second


def test_what_a_process_has_alone_is_counted_in_turn_and_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_USS_SHARE", 1.0)
    looks = Processes()
    pids = [os.getpid(), os.getppid()]
    looks.look(pids, 0.0)  # nobody is known yet
    seen = [sum("uss_bytes" in row for row in looks.look(pids, now)) for now in (20.0, 21.0, 40.0)]
    assert seen == [1, 1, 2]
    monkeypatch.setattr(processes, "_USS_SHARE", 1e-9)
    looks.look(pids, 60.0)
    looks._uss.clear()
    assert not any("uss_bytes" in row for row in looks.look(pids, 10_000.0))


def test_a_process_that_ends_between_two_looks_is_left_out() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    looks = Processes()
    until(lambda: process.poll() is not None)
    assert [row["pid"] for row in looks.look([process.pid, os.getpid()], 0.0)] == [os.getpid()]
