"""What a publish inherits beside an attempt's run: open `with workflow()` blocks, and what `label` added.

A block counts for what is published in the attempt it was opened in or, outside tasks, in its context; every other
publish of an attempt belongs to the attempt's run. Nothing here is looked at where no Monitor records.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from functools import wraps
from inspect import iscoroutinefunction
from time import time_ns
from types import TracebackType
from typing import Any, Final, TypeVar

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import attempts, guard, header, labels, process, redact
from celery_monitor.signals.async_with import AsyncWith
from celery_monitor.signals.attempts import KEY, Open
from celery_monitor.signals.layout import BEGIN, pack_labels, read_texts, unpack_ids
from celery_monitor.signals.record import Kind, fixed_id, pack_id, unpack_id
from celery_monitor.signals.run import CHAIN, CHORD, GROUP

F = TypeVar("F", bound=Callable[..., Any])
MAX_NAME: Final = 100
MAX_DESCRIPTION: Final = 1000
_RUN_BYTES: Final = 16
_MOST_NEWS: Final = 100
"""LABELS records of one block or attempt: who labels in a loop has shown what there is to see."""
DERIVED: Final = (CHAIN, GROUP, CHORD)
"""Ends of the names that unnamed workflows get from their first message."""


class Scope:
    """What messages published within a block, or in a labelled attempt, carry.

    Attributes:
        owner: the attempt it was opened in, None outside tasks.
        maker: the `workflow` that opened it, None for an attempt's own and for one of `new_run`.
        outer: the block around it.
        run, name, description, runs: of the run; `runs` are its labels.
        own: labels of the attempt beyond its run's.
        continues: run that this one continues, empty for none.
        begun_us: when the run began; 0 for an attempt's, whose message tells.
        untold: whether what is said of the run has changed since it was recorded.

    """

    __slots__ = (
        "begun_us", "continues", "description", "maker", "name", "news", "outer", "own", "owner", "run", "runs", "tail",
        "untold",
    )  # fmt: skip

    def __init__(self, owner: Open | None, run: bytes, name: str, runs: dict[str, str], own: dict[str, str]) -> None:
        self.owner, self.run, self.name, self.runs, self.own = owner, run, name, runs, own
        self.outer: Scope | None = None
        self.maker: workflow | None = None
        self.description, self.continues, self.begun_us = "", b"", 0
        self.news, self.untold = 0, False
        self.settle()

    def settle(self) -> None:
        """Work out what messages carry."""
        self.tail = header.tail(self.name, labels.write(self.runs), labels.write(self.own))

    def told(self) -> bytes:
        """Return the payload that tells what the run is, which is then told."""
        self.untold = False
        self.news += 1
        text = labels.of_run(self.runs, self.continues)
        return pack_labels(time_ns() // 1000, b"", self.run, text, self.name, self.description)

    def open_new(self) -> None:
        """Go on in a new run that continues this one."""
        self.continues, self.run = self.run, os.urandom(16)
        self.begun_us, self.untold = time_ns() // 1000, True


def at_once() -> bool:
    """Return whether a Monitor records here; the real one reads settings that nobody has read yet."""
    return process.place.start_agent is not None


ready: Callable[[], bool] = at_once
"""Called before labels are looked at: what hides and redacts them are settings; `owner` sets the real one."""
block: ContextVar[Scope | None] = ContextVar("celery_monitor_workflow", default=None)
"""The block that was opened last in this context; `active` tells whether it counts."""


def active(attempt: Open | None) -> Scope | None:
    """Return the innermost block that counts here: one that was opened in this attempt, or outside tasks."""
    scope = block.get()
    while scope is not None and scope.owner is not attempt:
        scope = scope.outer
    return scope


def scope_of(attempt: Open, about: Mapping[str, Any]) -> Scope:
    """Return an attempt's own scope, made from the header of its message when it is first asked for."""
    if attempt.scope is None:
        known = header.decode(about.get(header.NAME))
        runs, own = labels.split(known.labels) if known is not None else ({}, {})
        attempt.scope = Scope(attempt, attempt.run, attempt.workflow, runs, own)
    scope: Scope = attempt.scope
    return scope


def harmless(function: F) -> F:
    """Wrap a function that users call: only a soft time limit that strikes within it comes out, as from their code."""

    @wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except SoftTimeLimitExceeded:
            guard.repair()
            raise
        except Exception as error:  # noqa: BLE001 - the seam: a user's code must not notice us
            guard.note(function.__name__, error)
            return None

    return called  # type: ignore[return-value]


def text_of(value: Any, most: int) -> str:
    """Return a value's text, cut with a visible ``…``."""
    text = value if type(value) is str else str(value)
    return text if len(text) <= most else text[: most - 1] + "…"


class workflow(AsyncWith):  # noqa: N801 - reads as a statement: ``with workflow("daily_report"):``
    """Names and labels everything that is published inside it, and what the tasks of that publish later elsewhere.

    A context manager, ``with`` or ``async with``, or a decorator of a function or coroutine function; each entry is a
    run of its own. Within another workflow it inherits that one's labels. Without a Monitor it does nothing.

    Parameters:
        name: of the workflow, at most 100 characters.
        description: free text, at most 1000 characters.
        run_id: of a run that exists, as the API and ``workflow(...).run_id`` give it: what is published inside belongs
            to it, in whatever process. It has its labels already and inherits none. A wrong one is noted, and not used.
        labels: ``key=value`` that travel with the run; values are made texts of at most 120 characters.

    Attributes:
        run_id: of the run that was entered last, "" before.

    """

    def __init__(self, name: str, /, description: str | None = None, run_id: str | None = None, **labels: Any) -> None:
        self.run_id = ""
        self._given: tuple[Any, Any, Any, dict[str, Any]] = (name, description or "", run_id, labels)

    def __enter__(self) -> workflow:  # noqa: PYI034 - `Self` is not in Python 3.10
        self._enter()
        return self

    @harmless
    def _enter(self) -> None:
        ready()
        name, description, run_id, given = self._given
        run = run_of("workflow", run_id) if run_id is not None else None
        about = attempts.running()
        attempt: Open | None = about.get(KEY)
        inherited = _inherited(attempt, about) if run is None else {}
        scope = Scope(
            attempt, run or os.urandom(16), redact.name(text_of(name, MAX_NAME)),
            labels.joined(inherited, labels.cleaned(given)), {},
        )  # fmt: skip
        scope.description = redact.text(text_of(description, 2 * MAX_DESCRIPTION), MAX_DESCRIPTION)
        scope.maker, scope.begun_us, scope.untold = self, time_ns() // 1000, True
        self.run_id = unpack_id(scope.run)
        _push(scope)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _pop(self)

    def __call__(self, function: F) -> F:
        """Return the function with each call a run of its own."""
        name, description, run_id, given = self._given

        if iscoroutinefunction(function):

            @wraps(function)
            async def called_async(*args: Any, **kwargs: Any) -> Any:
                with workflow(name, description, run_id, **given):
                    return await function(*args, **kwargs)

            return called_async  # type: ignore[return-value]

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with workflow(name, description, run_id, **given):
                return function(*args, **kwargs)

        return called  # type: ignore[return-value]


def _inherited(attempt: Open | None, about: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels that a new run has from the block or the attempt in which it begins."""
    around = active(attempt) or (scope_of(attempt, about) if attempt is not None else None)
    return around.runs | around.own if around is not None else {}


def run_of(where: str, run_id: Any) -> bytes | None:
    """Return a run's 16 bytes from its text; None, which is noted, for what is no run id."""
    if isinstance(run_id, str) and run_id:
        return fixed_id(pack_id(run_id))
    if isinstance(run_id, bytes) and len(run_id) == _RUN_BYTES:
        return run_id
    wrong = ValueError(f"{where}(a {type(run_id).__name__}): give the text of a run's id")
    guard.note(f"{where} without a run id", wrong)
    return None


def _push(scope: Scope) -> None:
    outer = block.get()
    while outer is not None and outer.owner is not None and outer.owner.end_at >= 0:
        outer = outer.outer  # left open by an attempt that has ended in this thread
    scope.outer = outer
    block.set(scope)


def _pop(maker: workflow) -> None:
    """Close a block and what was left open within it; nothing when another context closes it than opened it."""
    found = block.get()
    while found is not None and found.maker is not maker:
        found = found.outer
    if found is not None:
        block.set(found.outer)


@harmless
def label(key: str | None = None, value: Any = None, /, **more: Any) -> None:
    """Attach ``key=value`` to this execution and to what it publishes from now on; outside tasks to the open workflow.

    ``label("session", "s1")`` or ``label(session="s1", user="u1")``. Values are made texts of at most 120 characters;
    an execution carries at most 16. Without a Monitor, and outside of both, it does nothing.
    """
    ready()
    given = labels.cleaned(more if key is None else {key: value, **more})
    about = attempts.running()
    attempt: Open | None = about.get(KEY)
    opened = active(attempt)
    if opened is not None:
        _label_run(opened, given)
    if attempt is not None:
        _label_attempt(attempt, about, given)


def _label_run(scope: Scope, given: dict[str, str]) -> None:
    runs = labels.joined(scope.runs, given)
    if runs != scope.runs:
        scope.runs = runs
        scope.untold = scope.news < _MOST_NEWS
        scope.settle()


def _label_attempt(attempt: Open, about: Mapping[str, Any], given: dict[str, str]) -> None:
    scope = scope_of(attempt, about)
    known = scope.runs | scope.own
    every = labels.joined(known, given)
    if every == known:
        return
    scope.own = {key: value for key, value in every.items() if scope.runs.get(key) != value}
    scope.settle()
    scope.news += 1
    if scope.news <= _MOST_NEWS:
        own = labels.write(scope.own)
        process.put(Kind.LABELS, pack_labels(time_ns() // 1000, pack_id(attempt.id), attempt.run, own))
    _count_by(attempt, labels.of_counted(f"{labels.write(scope.runs)}?{labels.write(scope.own)}"))


def _count_by(attempt: Open, counted: str) -> None:
    """Have the end of an attempt counted by its labels as well."""
    if counted:
        _, at = unpack_ids(attempt.begun, BEGIN.size)
        raw, _ = read_texts(attempt.begun, at)
        task, queue, workflow, *more = raw.decode("utf-8", "replace").split("\0")
        attempt.begun = attempt.begun[:at] + attempts.series(task, queue, workflow, more[0] if more else "", counted)


def new_run() -> str:
    """Go on in a new run, which continues the present one: for what is published from here on.

    For what never ends by itself. In a task it holds until the attempt (or the open workflow) ends, outside tasks
    until the open workflow does.

    Returns:
        The new run's id; "" where there is nothing to continue.

    """
    return _new_run() or ""


@harmless
def _new_run() -> str:
    about = attempts.running()
    attempt: Open | None = about.get(KEY)
    scope = active(attempt)
    if scope is None:
        if attempt is None:
            return ""
        mine = scope_of(attempt, about)
        scope = Scope(attempt, attempt.run, explicit(attempt.workflow), mine.runs | mine.own, {})
        _push(scope)
    scope.open_new()
    return unpack_id(scope.run)


def explicit(name: str) -> str:
    """Return a workflow's name if somebody gave it, "" when it was made from a message's shape."""
    return "" if name.endswith(DERIVED) else name


def around_eager(about: Mapping[str, Any]) -> tuple[int, bytes, str, str] | None:
    """Return publish time (unknown), run, workflow and labels of the block or the attempt around an eager attempt.

    They are written into its request as a header, as if it had been published.
    """
    outer = attempts.around()
    attempt: Open | None = outer.get(KEY)
    scope = active(attempt)
    if scope is None:
        if attempt is None:
            return None
        scope = scope_of(attempt, outer)
    elif scope.untold:
        process.put(Kind.LABELS, scope.told())
    known = header.decode(about.get(header.NAME))
    if known is None and isinstance(about, dict):
        about[header.NAME] = header.encode(time_ns() // 1000, scope.run, scope.tail, scope.begun_us)
    return 0, scope.run, scope.name, scope.tail.partition("?")[2]


attempts.around_eager = around_eager


def continuation(run: bytes, number: int) -> bytes:
    """Return the id of the run that takes the new members of one that is closed; the same in every process."""
    return fixed_id(b"\0continues" + run + number.to_bytes(4, "big"))
