"""Spans: named parts of an attempt, as a tool call or a query, recorded when they end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextvars import ContextVar
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from time import monotonic_ns, time_ns
from types import TracebackType
from typing import Any, Final, TypeVar, final

from billiard.exceptions import SoftTimeLimitExceeded
from celery.exceptions import Retry, TaskPredicate

from celery_monitor.signals import content, guard, owner, process, redact
from celery_monitor.signals.async_with import AsyncWith
from celery_monitor.signals.inside import MAX_MESSAGE, MAX_NAME, MAX_WORD, SPAN, SPAN_TEXTS, pack_texts
from celery_monitor.signals.owner import Owner
from celery_monitor.signals.record import Kind

F = TypeVar("F", bound=Callable[..., Any])
_MOST_ATTRIBUTES: Final = 50
_MOST_KNOWN: Final = 1000
_LONGEST_US: Final = 366 * 86_400_000_000
_pack, _SPAN, _place = SPAN.pack, Kind.SPAN, process.place


class Opened:
    """A span while it lasts, as those within it know it.

    Attributes:
        owner: whom it belongs to.
        number, parent: its own in its attempt, and that of the span around it, 0 for none.
        around: what was open here before it.
        ended: it has been left; one whose attempt has ended will not be.

    """

    __slots__ = ("around", "begun_ns", "ended", "number", "owner", "parent")
    around: Opened | None
    ended: bool
    number: int
    owner: Owner
    parent: int

    def __init__(self, mine: Owner, around: Opened | None) -> None:
        while around is not None and (around.ended or around.owner.closed):
            around = around.around
        self.owner, self.around, self.ended = mine, around, False
        self.parent = around.number if around is not None and around.owner is mine else 0
        self.number = next(mine.numbers)
        self.begun_ns = monotonic_ns()


_innermost: Final[ContextVar[Opened | None]] = owner.innermost


@final
class span(AsyncWith):  # noqa: N801 - reads as a statement: ``with span("web_search"):``
    """A named part of a task; ``with``, ``async with``, or a decorator of any kind of function.

    An exception that leaves it is recorded (type and message) and goes on. Without a Monitor it does nothing.

    Parameters:
        name: what is done, at most 100 characters; statistics are kept per name, so put values into attributes.
        kind: agent, tool, api, db, ...; at most 40 characters.
        attributes: as for `set`.

    """

    __slots__ = (
        "_api", "_attributes", "_depth", "_error", "_failed", "_given", "_kind", "_name", "_opened", "_status",
        "_took_us",
    )  # fmt: skip

    def __init__(self, name: str, kind: str = "", **attributes: Any) -> None:
        self._name, self._kind, self._given = name, kind, attributes
        self._opened: Opened | None = None
        self._depth = 0

    # Few functions in the way of a span that goes well: the first call of each in a task costs more than what it does.

    _api: str
    _attributes: dict[str, Any] | None
    _error: Any
    _failed: bool
    _status: int
    _took_us: int

    # -- what users say ----------------------------------------------------------------------------------------------

    def set(self, **attributes: Any) -> None:
        """Note what came of it.

        `api` is the external API that was called, `status` its status code (0 to 65535), `api_seconds` its response
        time. Any other attribute is span data: kept only with ``monitor_capture_span_data = "repr"``.
        """
        if self._opened is None:
            return
        try:
            for key, value in attributes.items():
                if key == "api":
                    self._api = value if type(value) is str else str(value)
                elif key == "status" and type(value) is int and 0 <= value < 1 << 16:
                    self._status = value
                elif key == "api_seconds" and type(value) in {int, float} and 0 <= value < 1e9:
                    self._took_us = round(value * 1e6)
                elif content.rules.span_data and not self._opened.owner.bare:
                    self._keep(key, value)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
            guard.note("span.set", error)

    def _keep(self, key: str, value: Any) -> None:
        if self._attributes is None:
            self._attributes = {}
        if len(self._attributes) < _MOST_ATTRIBUTES:
            self._attributes[key] = value

    def fail(self, error: Any = None) -> None:
        """Note that it failed, though no exception leaves it; `error` is an exception or a text."""
        self._failed, self._error = True, error

    # -- around a block ----------------------------------------------------------------------------------------------

    def __enter__(self) -> span:
        try:
            self._depth += 1
            # Entered again before it was left: one span for both.
            if self._depth == 1 and (_place.start_agent is not None or owner.recording()):
                self._failed, self._error, self._attributes = False, None, None
                self._api, self._status, self._took_us = "", 0, -1
                self._opened = Opened(owner.current(), _innermost.get())
                if self._given:
                    self.set(**self._given)
                _innermost.set(self._opened)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
            guard.note("span", error)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            self._depth -= 1
            opened = self._opened
            if self._depth > 0 or opened is None:
                return
            lasted_ns = monotonic_ns() - opened.begun_ns
            opened.ended, self._opened = True, None
            if _innermost.get() is opened:  # a generator may end later than what was opened meanwhile
                _innermost.set(opened.around)
            self._record(opened, lasted_ns // 1000, error)
        except SoftTimeLimitExceeded:
            guard.repair()
            raise
        except Exception as ours:  # noqa: BLE001 - the seam: a user's task must not notice us
            guard.note("span", ours)

    # -- the record --------------------------------------------------------------------------------------------------

    def _record(self, opened: Opened, lasted_us: int, left_by: BaseException | None) -> None:
        mine, failed, told = opened.owner, self._failed, self._error
        if left_by is not None and not isinstance(left_by, (GeneratorExit, TaskPredicate)):
            failed, told = True, left_by
        elif isinstance(left_by, Retry) and isinstance(left_by.exc, BaseException):
            failed, told = True, left_by.exc
        if failed or self._attributes:
            exception, message = _described(told, bare=mine.bare) if failed else ("", "")
            data = content.text(self._attributes, reprs=True) if self._attributes else ""
            texts = _texts(self._name, self._kind, self._api, exception, message, data)
        else:
            key = (self._name, self._kind, self._api)
            texts = _known.get(key) or _plain(key)
        owner.put(
            _SPAN,
            _pack(
                time_ns() // 1000, min(max(lasted_us, 0), _LONGEST_US), opened.number, opened.parent, failed,
                self._status, self._took_us,
            )
            + mine.block
            + texts,
        )  # fmt: skip

    # -- around a function -------------------------------------------------------------------------------------------

    def __call__(self, function: F) -> F:
        """Return the function with a span of its own around each call; a generator's lasts until it is exhausted."""
        name, kind, given = self._name, self._kind, self._given

        if isasyncgenfunction(function):

            @wraps(function)
            async def yielding_async(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
                with span(name, kind, **given):
                    async for value in function(*args, **kwargs):
                        yield value

            return yielding_async  # type: ignore[return-value]

        if iscoroutinefunction(function):

            @wraps(function)
            async def called_async(*args: Any, **kwargs: Any) -> Any:
                with span(name, kind, **given):
                    return await function(*args, **kwargs)

            return called_async  # type: ignore[return-value]

        if isgeneratorfunction(function):

            @wraps(function)
            def yielding(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                with span(name, kind, **given):
                    return (yield from function(*args, **kwargs))

            return yielding  # type: ignore[return-value]

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            with span(name, kind, **given):
                return function(*args, **kwargs)

        return called  # type: ignore[return-value]


def _texts(name: Any, kind: Any, api: str, exception: str, message: str, data: str) -> bytes:
    return pack_texts(
        SPAN_TEXTS, owner.name_of("span", name, MAX_NAME), _word(kind), exception, message,
        redact.text(api, MAX_NAME) if api else "", data,
    )  # fmt: skip


_known: dict[tuple[Any, Any, str], bytes] = {}
redact.forget.append(_known.clear)


def _plain(key: tuple[Any, Any, str]) -> bytes:
    """Return the texts of a span that went well and says no more, from now on kept per name, kind and API."""
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    found = _known[key] = _texts(*key, "", "", "")
    return found


def _word(kind: Any) -> str:
    return owner.name_of("span kind", kind, MAX_WORD) if kind else ""


def _described(told: Any, *, bare: bool) -> tuple[str, str]:
    """Return type and message of what a span failed with: an exception, a text, or nothing."""
    if isinstance(told, BaseException):
        kind, text = type(told).__name__, content.said(told)
    else:
        kind, text = "", "" if told is None else content.said(told)
    return kind[:MAX_NAME], "" if bare else redact.text(text, MAX_MESSAGE)
