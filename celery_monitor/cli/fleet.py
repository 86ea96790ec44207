"""The demo's processes: started with a log file each, watched, and ended together and quickly."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from celery_monitor.cli import child

STEP_S: Final = 0.1


class ProcessEndedError(RuntimeError):
    """A process of the demo ended by itself or did not get ready; the text shows the end of its log."""


@dataclass
class Member:
    """One process and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path

    def written(self) -> str:
        """Return what it has written so far."""
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 15) -> str:
        """Return the last lines of its log, indented."""
        return "\n".join("    " + line for line in self.written().splitlines()[-lines:])

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None


class Fleet:
    """Processes that live and end together.

    Start them from the main thread: the kernel ends each with the thread that started it.

    Args:
        folder: where to start them and what their imports see first.
        logs: folder for their output, one file each.
        env: their whole environment.
    """

    def __init__(self, folder: Path, logs: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.logs = logs
        self.env = dict(env)
        self.members: dict[str, Member] = {}

    def start(self, name: str, command: Sequence[str]) -> Member:
        """Start one process; its output goes to ``NAME.log``."""
        log = self.logs / f"{name}.log"
        self.members[name] = Member(name, child.start(command, log, env=self.env, cwd=self.folder), log)
        return self.members[name]

    def wait_ready(self, name: str, ready: Callable[[Member], bool], seconds: float = 60.0) -> None:
        """Wait until `ready` says so of the member.

        Raises:
            ProcessEndedError: one of the fleet ended meanwhile, or the time is over.
        """
        until = time.monotonic() + seconds
        member = self.members[name]
        while not ready(member):
            self.check()
            if time.monotonic() > until:
                raise ProcessEndedError(f"{name} was not ready within {seconds:g} s:\n{member.tail()}\n  {member.log}")
            time.sleep(STEP_S)

    def check(self) -> None:
        """Raise `ProcessEndedError` when a member ended by itself."""
        for member in self.members.values():
            if not member.alive:
                code = member.process.returncode
                raise ProcessEndedError(
                    f"{member.name} ended by itself with code {code}:\n{member.tail()}\n"
                    f"  everything it wrote: {member.log}"
                )

    def stop(self, *names: str, seconds: float = 5.0) -> None:
        """End members with SIGTERM, those that take longer than `seconds` with SIGKILL; all without names."""
        members = [self.members.pop(name) for name in names or tuple(self.members)]
        for member in members:
            if member.alive:
                member.process.terminate()
        until = time.monotonic() + seconds
        for member in members:
            try:
                member.process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                _kill_group(member.process)
        for member in members:
            _kill_group(member.process)  # children that outlived their parent


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
