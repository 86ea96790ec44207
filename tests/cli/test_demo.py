"""The demo as a person starts it: a process of its own, with a terminal that can say Ctrl-C."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from celery_monitor.cli.preflight import HOST
from tests.parts import ROOT
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)


class Demo:
    """A running demo."""

    def __init__(self, folder: Path, rings: Path, *options: str) -> None:
        self.folder = folder
        self.rings = rings
        self.output = folder / "output"
        self.port = free_port()
        environment = {k: v for k, v in os.environ.items() if k != "REDIS_URL"}
        environment |= {"TMPDIR": str(folder), "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        environment["CELERY_MONITOR_RUNTIME_DIR"] = str(rings)
        command = [
            sys.executable,
            "-m",
            "celery_monitor.cli.script",
            "demo",
            "--port",
            str(self.port),
            *options,
        ]
        with self.output.open("wb") as out:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=out,
                stderr=out,
                start_new_session=True,
                preexec_fn=heed_ctrl_c,
            )

    def says(self, text: str) -> bool:
        return text in self.output.read_text()

    def wait_until_it_runs(self) -> list[psutil.Process]:
        """Wait for the address it prints; return its processes."""
        until(self._runs, seconds=90, what="the demo runs")
        return psutil.Process(self.process.pid).children(recursive=True)

    def _runs(self) -> bool:
        assert self.process.poll() is None, self.output.read_text()
        return self.says(f"http://{HOST}:{self.port}/monitor") and self.says("Ctrl-C")

    def left_behind(self) -> list[str]:
        rings = self.rings.glob("celery-monitor-*/*")
        return [path.name for path in (*self.folder.iterdir(), *rings) if path != self.output]

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise


@pytest.fixture
def demo(require: Callable[[str], str], runtime_dir: str) -> Iterator[Callable[..., Demo]]:
    require("redis-server")
    started: list[Demo] = []

    def start(*options: str) -> Demo:
        # A socket's path may have 107 bytes, and pytest's own folders use most of them.
        rings = Path(tempfile.mkdtemp(dir=runtime_dir))
        started.append(Demo(Path(tempfile.mkdtemp(prefix="demo-")), rings, *options))
        return started[-1]

    yield start
    for each in started:
        each.end()
        shutil.rmtree(each.folder, ignore_errors=True)


def heed_ctrl_c() -> None:
    """Undo what a shell does to what it starts in the background: there Ctrl-C is ignored, down to us."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def free_port() -> int:
    with socket.socket() as s:
        s.bind((HOST, 0))
        return int(s.getsockname()[1])


def test_a_timed_demo_finds_every_published_task_recorded(demo: Callable[..., Demo]) -> None:
    running = demo("--seconds", "6")
    code = running.process.wait(200)
    text = running.output.read_text()
    assert code == 0, text
    assert "Every published task is recorded." in text
    rows = dict(re.findall(r"^  (shop\.\S+) +(\d+) +\d+$", text, re.MULTILINE))
    assert int(rows["shop.orders.validate"]) > 0
    assert running.left_behind() == []


def test_ctrl_c_ends_every_process_quickly_and_leaves_no_file(demo: Callable[..., Demo]) -> None:
    running = demo()
    processes = running.wait_until_it_runs()
    assert len(processes) >= 9  # server, 2 workers with 2 children each, beat, Flower, customers
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(15) == 0
    assert [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE] == []
    assert running.left_behind() == []


def test_a_killed_demo_takes_its_processes_along(demo: Callable[..., Demo]) -> None:
    running = demo()
    processes = running.wait_until_it_runs()
    running.process.kill()
    running.process.wait()
    until(
        lambda: not [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE],
        seconds=150,  # without its broker Celery tries for a while to publish what a task has led to
        what="the end of all its processes",
    )


def test_a_worker_that_dies_ends_the_demo_with_its_last_words(demo: Callable[..., Demo]) -> None:
    running = demo()
    processes = running.wait_until_it_runs()
    worker = next(p for p in processes if "backoffice@%h" in p.cmdline() and p.ppid() == running.process.pid)
    worker.kill()
    assert running.process.wait(30) == 1
    text = running.output.read_text()
    assert "worker-backoffice ended by itself with code -9" in text
    log = re.search(r"everything it wrote: (\S+)", text)
    assert log is not None
    assert Path(log[1]).is_file()


def test_a_taken_port_is_said_before_anything_starts(demo: Callable[..., Demo]) -> None:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        running = demo("--port", str(taken.getsockname()[1]))
        assert running.process.wait(60) == 1
    assert running.says("is taken; give another one: --port")
    assert running.left_behind() == []
