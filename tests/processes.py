"""Real Celery processes for tests: started as users start them, ready by condition, ended by their pid."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from celery_monitor.cli import child
from tests.parts import ROOT
from tests.waiting import until

STOP_S: Final = 20.0
"""Warm shutdown of a prefork worker takes about 2.5 s; a loaded machine gets more before SIGKILL."""


class CeleryProcess:
    """`celery -A app COMMAND ...` in a process group of its own.

    Args:
        app: what follows `-A`, like ``tests.apps.basic:app``.
        command: a subcommand and its options.
        log: the file that takes its output.
        ready: text in the log that says it is up.
        env: variables added to this process's environment.
        cwd: folder to start in, which is on Celery's import path; the checkout by default.
    """

    def __init__(
        self,
        app: str,
        command: Sequence[str],
        log: Path,
        *,
        ready: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.app = app
        self.command = tuple(command)
        self.log_file = log
        self.ready = ready
        self.env = dict(env or {})
        self.cwd = cwd or ROOT
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the parent process."""
        assert self.process is not None, "not started"
        return self.process.pid

    @property
    def log(self) -> str:
        """Everything it has written so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def start(self, *, seconds: float = 60.0) -> CeleryProcess:
        """Start it and wait until it says that it is ready.

        Raises:
            AssertionError: it ended, or did not get ready in time; with its log.
        """
        path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
        command = [sys.executable, "-m", "celery", "-A", self.app, *self.command]
        env = {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", **self.env}
        self.process = child.start(command, self.log_file, env=env, cwd=self.cwd)
        try:
            until(self._is_ready, seconds=seconds, what=f"{self.command[0]} of {self.app} ready")
        except BaseException:
            self.kill()
            raise
        return self

    def _is_ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"{self.app} ended with {self.process.returncode}:\n{self.log}")
        return self.ready in self.log

    def ask_to_stop(self) -> None:
        """Send SIGTERM and do not wait, so that several can end at the same time."""
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()

    def stop(self) -> int:
        """End it with SIGTERM, by SIGKILL when that takes too long; return the exit code. Idempotent."""
        if self.process is None:
            return 0
        self.ask_to_stop()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.kill()
        return self.process.returncode

    def kill(self) -> None:
        """SIGKILL the parent and all its children at once."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def worker_command(
    *,
    pool: str = "prefork",
    concurrency: int = 2,
    queues: Sequence[str] | None = None,
    hostname: str | None = None,
    options: Sequence[str] = (),
) -> list[str]:
    """Return the command line of a worker that starts fast: no gossip, no mingle."""
    command = ["worker", "--pool", pool, "--concurrency", str(concurrency), "--loglevel", "INFO"]
    command += ["--without-gossip", "--without-mingle"]
    if queues:
        command += ["--queues", ",".join(queues)]
    if hostname:
        command += ["--hostname", hostname]
    return [*command, *options]
