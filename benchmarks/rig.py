"""One configuration kept up for measuring: a Redis of its own, a real worker, and Flower where it has one."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from celery_monitor.cli.child import die_with_parent
from celery_monitor.cli.embedded import EmbeddedServer

ROOT = Path(__file__).resolve().parents[1]
SETTLE_S = 1.6
"""After a batch, so that what was put aside for a flush every second is counted."""
IDLERS = ("parent", "child", "monitor")


@dataclass(frozen=True)
class Setup:
    """What tells a configuration from bare Celery."""

    monitor: bool = False
    folder: bool = False  # a second worker, of a queue that nobody feeds, folds for both; it is the monitor process
    events: bool = False
    flower: bool = False


@dataclass(frozen=True)
class Batch:
    """What one batch cost, per task: CPU in us, commands, bytes; and tasks per second."""

    parent: float
    child: float
    redis: float
    monitor: float
    rate: float
    commands: float
    bytes_in: float
    bytes_out: float

    @property
    def worker(self) -> float:
        """CPU of the worker's parent and child."""
        return self.parent + self.child

    @property
    def total(self) -> float:
        """CPU of everything."""
        return self.worker + self.redis + self.monitor


class Rig:
    """A configuration that is up; `run` gives it a batch."""

    def __init__(self, setup: Setup, tasks: int) -> None:
        self.setup, self.tasks = setup, tasks
        self.server = EmbeddedServer().__enter__()
        self.started: list[subprocess.Popen[bytes]] = []
        self._since: tuple[float, dict[str, int]] = (0.0, {})
        self._idle: list[tuple[float, int]] = []
        try:
            self.client = redis.Redis.from_url(self.server.client_url)
            self.own: Counter[str] = Counter()
            self.messages = self._messages()
            beside = self._flower() if setup.flower else self._folder() if setup.folder else None
            self.worker = self._worker(*(["-E"] if setup.events else []))
            monitor = beside.pid if beside else 0
            self.pids = {"parent": self.worker.pid, "redis": self.server.pid or 0, "monitor": monitor}
            wait_for("workers that listen", lambda: self._listening() == 1 + setup.folder)
            self.pids["child"] = pool_children(self.worker.pid)[0]
            self.run()  # warms up
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the processes of this rig."""
        for process in reversed(self.started):
            process.terminate()
        for process in self.started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.server.stop()

    def run(self) -> Batch:
        """Put a prepared batch into the queue at once, wait until it is done, and return what it cost."""
        self.call("restore", "batch", 0, self.messages)
        cpu, net = self._cpu(), self._net()
        self._rested(cpu)
        begun = time.perf_counter()
        self.call("rename", "batch", "celery")
        wait_for("the batch", lambda: not self.call("exists", "celery", "unacked"), 120, 0.01)
        lasted = time.perf_counter() - begun
        time.sleep(SETTLE_S)
        after = self._cpu()
        self._since = (time.perf_counter(), after)
        used = {name: (now - cpu[name]) / 1e3 / self.tasks for name, now in after.items()}
        spent = {name: (now - net[name]) / self.tasks for name, now in self._net().items()}
        return Batch(**used, rate=self.tasks / lasted, **spent)

    def _rested(self, now: dict[str, int]) -> None:
        """Note what was burnt since the last batch."""
        at, before = self._since
        if before:
            self._idle.append((time.perf_counter() - at, sum(now[one] - before[one] for one in IDLERS)))

    def idle(self) -> float:
        """Return the CPU in ms per second that worker and monitor process burn without tasks."""
        seconds, burnt = map(sum, zip(*self._idle, strict=True)) if self._idle else (1.0, 0)
        return burnt / 1e6 / seconds

    def peak_kib(self, name: str) -> int:
        """Return the peak resident memory of a process in KiB."""
        text = Path(f"/proc/{self.pids[name]}/status").read_text(encoding="utf-8")
        found = re.search(r"VmHWM:\s+(\d+)", text)
        return int(found[1]) if found else 0

    def call(self, command: str, *args: Any) -> Any:
        """Send a command of ours, which is left out of the figures."""
        self.own[command] += 1
        return self.client.execute_command(command, *args)

    def _cpu(self) -> dict[str, int]:
        return {name: cpu_ns(self.pids[name]) for name in ("parent", "child", "redis", "monitor")}

    def _net(self) -> dict[str, int]:
        stats = self.call("info", "everything")
        calls = sum(about["calls"] for name, about in stats.items() if name.startswith("cmdstat_"))
        # Our own traffic is a few dozen small commands: a byte or two per task of a batch, the same for everybody.
        return {
            "commands": calls - sum(self.own.values()),
            "bytes_in": stats["total_net_input_bytes"] - len(self.messages) * self.own["restore"],
            "bytes_out": stats["total_net_output_bytes"],
        }

    def _env(self) -> dict[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "PYTHONHASHSEED": "0",  # the same dict layouts for all
            "CELERY_BROKER_URL": self.server.url,
            "BENCH_MONITOR": "1" if self.setup.monitor else "",
        }

    def _messages(self) -> bytes:
        command = [sys.executable, "-m", "benchmarks.workload", str(self.tasks)]
        subprocess.run(command, cwd=ROOT, env=self._env(), check=True, timeout=120)
        messages: bytes = self.client.dump("celery")  # type: ignore[assignment]
        self.client.flushall()
        self.client.config_resetstat()
        return messages

    def _flower(self) -> subprocess.Popen[bytes]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        flower = self._celery("flower", f"--port={port}", "--address=127.0.0.1", "--logging=warning")
        wait_for("Flower's subscription", lambda: self.call("pubsub", "numpat"), 60)
        return flower

    def _folder(self) -> subprocess.Popen[bytes]:
        worker = self._worker("-Q", "aside", "-n", "aside@%h")
        wait_for("a worker that folds", lambda: self.call("keys", "cm:*:pace"), 60)
        return worker

    def _worker(self, *words: str) -> subprocess.Popen[bytes]:
        return self._celery("worker", "-c", "1", "--loglevel", "WARNING", *words)

    def _listening(self) -> int:
        return sum(client["cmd"] == "brpop" for client in self.client.client_list())

    def _celery(self, *words: str) -> subprocess.Popen[bytes]:
        log = Path(self.server.url.split("://", 1)[1]).with_name(f"{words[0]}.log")
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "celery", "-A", "benchmarks.workload:app", *words],
                cwd=ROOT,
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - one C call, bound before the fork
            )
        self.started.append(process)
        return process


def cpu_ns(pid: int) -> int:
    """Return the CPU time of a process and all its threads, user and system, in ns; 0 for none."""
    return time.clock_gettime_ns((~pid << 3) | 2) if pid else 0


def pool_children(pid: int) -> list[int]:
    """Return the pids of a worker's pool; what libraries start for a moment is left out."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    return [int(one) for one in found if b"celery" in Path(f"/proc/{one}/cmdline").read_bytes()]


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 60.0, step: float = 0.05) -> None:
    """Wait for a condition; raises TimeoutError."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(step)
