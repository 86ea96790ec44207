"""Remembers which children of a pool ended, why, and what they were running; billiard's parent reaps them.

The exit code says little by itself: a hard time limit and a want of memory are a SIGKILL alike. What an attempt was
found to have ended by (`agent.ends`) says more, where one was running.
"""

from __future__ import annotations

import signal
import weakref
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from celery_monitor.agent.instance import CutOff, Instance
from celery_monitor.signals.record import Reason, State, unpack_id

MOST: Final = 20
_PATIENCE_US: Final = 15_000_000
"""A parent hears of a killed child up to 5 s late, and its word on the attempt may take as long again."""
_ENDED, _RECYCLED = 0, 0x9B  # billiard.pool.EX_OK, EX_RECYCLE
_WORDS: Final = {
    Reason.OUT_OF_MEMORY: "out of memory",
    Reason.HARD_TIMEOUT: "hard time limit",
    Reason.TERMINATED: "task terminated",
}
_ENDED_WITH_IT: Final = frozenset({*_WORDS, Reason.KILLED, Reason.WORKER_LOST, Reason.SYSTEM_EXIT, Reason.SHUTDOWN})
"""Reasons of an attempt that its process did not survive, though it may have written the end itself."""
QUIET: Final = frozenset({"ended", "recycled", "pool shrunk"})
"""Ends that are as they should be: counted, and not listed."""


class _Gone(NamedTuple):
    """A child that was reaped."""

    process: Any
    at_us: int


class Deaths:
    """What became of a pool's children.

    Attributes:
        exits: how often each kind of end was seen since the worker's start.
        last: the last ends that were not `QUIET`.
    """

    def __init__(self, out_of_memory: Callable[[int], bool] = lambda _: False) -> None:
        self.exits: Counter[str] = Counter()
        self.last: deque[dict[str, Any]] = deque(maxlen=MOST)
        self._out_of_memory = out_of_memory
        self._reaped: deque[Any] = deque(maxlen=10_000)
        self._seen: dict[int, Any] = {}
        self._booked: weakref.WeakSet[Any] = weakref.WeakSet()
        self._waiting: list[_Gone] = []

    def watch(self, pool: Any) -> list[Any]:
        """Have billiard's pool tell of each child it reaps, and return those that it has."""
        if pool is None:
            return []
        told = getattr(pool, "on_process_down", None)
        if not isinstance(told, _Tells):
            pool.on_process_down = _Tells(self._reaped, told)
        return [child for child in list(getattr(pool, "_pool", ())) if hasattr(child, "pid")]

    def look(self, children: list[Any], instance: Instance, now_us: int) -> None:
        """Take in who is gone; `children` are those that the pool has now."""
        living = {id(child) for child in children}
        gone = {id(child): child for child in _drained(self._reaped)}
        gone |= {known: child for known, child in self._seen.items() if known not in living}
        self._seen = {id(child): child for child in children if id(child) not in gone}
        # The pool forgets a child a moment before it tells of it: who was missed then is not booked again.
        self._waiting += [_Gone(child, now_us) for child in gone.values() if child not in self._booked]
        self._booked.update(gone.values())
        self._waiting = [each for each in self._waiting if not self._settle(each, instance, now_us)]

    def _settle(self, gone: _Gone, instance: Instance, now_us: int) -> bool:
        """Book a death; False while what was running there may still be explained."""
        pid = gone.process.pid
        last = instance.ends.last_of(pid)
        unsure = pid in instance.open_pids() or (last is not None and last.state == State.INTERRUPTED)
        if unsure and now_us - gone.at_us < _PATIENCE_US:
            return False
        left = [each for each in instance.cut_off if each.pid == pid]
        for each in left:
            instance.cut_off.remove(each)
        if not left and last is not None and last.reason in _ENDED_WITH_IT:
            left = [CutOff(pid, last.id, last.task, last.started_us, last.reason)]
        code = gone.process.exitcode
        word = self._word(gone, code, left)
        self.exits[word] += 1
        if word not in QUIET:
            running = [{"id": unpack_id(each.id), "task": each.task, "started_us": each.started_us} for each in left]
            self.last.append({"pid": pid, "at_us": gone.at_us, "exit": word, "code": code, "running": running})
        return True

    def _word(self, gone: _Gone, code: int | None, left: list[CutOff]) -> str:
        known = next((_WORDS[Reason(each.reason)] for each in left if each.reason in _WORDS), None)
        if known is not None:
            return known
        if getattr(gone.process, "_job_terminated", False):
            return "task terminated"
        if getattr(gone.process, "_controlled_termination", False):
            return "pool shrunk"
        if code == -signal.SIGKILL and not left and self._out_of_memory(gone.at_us):
            return "out of memory"
        return word_of(code)


class _Tells:
    """Stands where billiard calls back for a reaped child, and hands on to who stood there before."""

    def __init__(self, reaped: deque[Any], before: Callable[[Any], None] | None) -> None:
        self._reaped, self._before = reaped, before

    def __call__(self, child: Any) -> None:
        self._reaped.append(child)
        if self._before is not None:
            self._before(child)


def word_of(code: int | None) -> str:
    """Return an exit code in words.

    >>> word_of(0), word_of(155), word_of(-9), word_of(1), word_of(None)
    ('ended', 'recycled', 'SIGKILL', 'exit 1', 'unknown')
    """
    if code is None:
        return "unknown"
    if code in {_ENDED, _RECYCLED}:
        return "ended" if code == _ENDED else "recycled"
    if code < 0:
        try:
            return signal.Signals(-code).name
        except ValueError:
            return f"signal {-code}"
    return f"exit {code}"


def _drained(reaped: deque[Any]) -> list[Any]:
    found = []
    while reaped:
        found.append(reaped.popleft())
    return found
