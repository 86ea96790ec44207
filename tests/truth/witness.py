"""Writes down what task bodies really do, by write(2) alone: no Redis and no code under test is involved."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, NamedTuple

from celery.signals import task_postrun

FILE: Final = "TRUTH_FILE"
"""Environment variable with the path of the file that bodies append to."""
SETTINGS: Final = "TRUTH_SETTINGS"
"""Environment variable: JSON of settings that a scenario changes, in every process of it."""
HEARTBEAT: Final = "TRUTH_HEARTBEAT_S"
"""Environment variable: seconds between heartbeats of an idle agent, and leases of three of these."""
BARE: Final = "TRUTH_BARE"
"""Environment variable: set in a producer that has no Monitor."""
_numbers = itertools.count(1)


class Life(NamedTuple):
    """One entry into a body."""

    id: str
    task: str
    pid: int
    outcome: str | None  # "returned", the type of what it raised, None when it never got to the end
    state: str | None = None  # what Celery told every handler, ours included; None when it was killed before that


def witnessed(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap the body of a bound task; a direct call, which has no id, is nobody's attempt and is not written down."""

    @wraps(function)
    def body(self: Any, *args: Any, **kwargs: Any) -> Any:
        task_id, number = self.request.id, next(_numbers)
        if task_id is None:
            return function(self, *args, **kwargs)
        self.request.life = number
        _write("start", task_id, number, self.name)
        try:
            value = function(self, *args, **kwargs)
        except BaseException as error:
            _write("end", task_id, number, type(error).__name__)
            raise
        _write("end", task_id, number, "returned")
        return value

    return body


def watch_ends() -> None:
    """Write down of which bodies the end was told; call it after the Monitor, so that its handlers come first.

    A process may be killed after its body's last line and before anybody is told: such an attempt is rightly LOST.
    """
    task_postrun.connect(_told, weak=False)


def _told(task_id: str, task: Any, state: str | None, **_: Any) -> None:
    number = getattr(task.request, "life", None)
    if number is not None:
        _write("told", task_id, number, str(state))


def lives(path: Path) -> list[Life]:
    """Return every entry into a body that was written down so far."""
    begun: dict[tuple[str, str, str], Life] = {}
    for line in path.read_text().splitlines() if path.exists() else ():
        what, task_id, pid, number, word = line.split(" ")
        key = (task_id, pid, number)
        if what == "start":
            begun[key] = Life(task_id, word, int(pid), None)
        elif what == "end":
            begun[key] = begun[key]._replace(outcome=word)
        else:
            begun[key] = begun[key]._replace(state=word)
    return list(begun.values())


def _write(what: str, task_id: str, number: int, word: str) -> None:
    fd = os.open(os.environ[FILE], os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, f"{what} {task_id} {os.getpid()} {number} {word}\n".encode())
    finally:
        os.close(fd)
