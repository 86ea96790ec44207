"""Content that leaves the process: arguments, results and span data when asked for; bounded, redacted, as JSON.

User objects are not asked for their `repr`, which may raise, loop or tell too much: they become ``<ClassName>``, unless
"repr" was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fnmatch import translate
from functools import lru_cache
from inspect import Parameter, signature
from itertools import islice
from math import isfinite
from pathlib import PosixPath
from typing import Any, Final
from uuid import UUID

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import redact

_DEEP: Final = 4
_MANY: Final = 20
_LONG: Final = 200
_ALL: Final = 2000
"""Characters of all texts of one value, roughly; what is over is left out, visibly."""
_MORE: Final = "…"
_PRINTABLE: Final = frozenset({datetime, date, time, timedelta, Decimal, UUID, PosixPath})
_LARGE_BITS: Final = 256


class Rules:
    """What the settings ask for and exclude.

    Attributes:
        arguments, results, span_data: whether each is kept.
        tasks, loggers: names of whose content nothing is kept, as a pattern; None for none.
        labels: keys of labels whose values are not kept.

    """

    def __init__(self) -> None:
        self.arguments = self.results = self.span_data = False
        self.tasks: re.Pattern[str] | None = None
        self.loggers: re.Pattern[str] | None = None
        self.labels: frozenset[str] = frozenset()


rules = Rules()
EXCLUDED: Final = "[excluded]"


def use(
    *,
    arguments: bool = False,
    results: bool = False,
    span_data: bool = False,
    tasks: Iterable[str] = (),
    loggers: Iterable[str] = (),
    labels: Iterable[str] = (),
) -> None:
    """Take what the settings say; tasks and loggers are shell patterns, a logger's counts for those below it too."""
    rules.arguments, rules.results, rules.span_data = arguments, results, span_data
    rules.tasks, rules.labels = _any_of(tasks), frozenset(labels)
    rules.loggers = _any_of([form for name in loggers for form in (name, f"{name}.*")])
    excludes_task.cache_clear()
    excludes_logger.cache_clear()
    _names.clear()


def _any_of(patterns: Iterable[str]) -> re.Pattern[str] | None:
    joined = "|".join(map(translate, patterns))
    return re.compile(joined) if joined else None


@lru_cache(maxsize=1000)
def excludes_task(name: str) -> bool:
    """Tell whether no content of a task is kept; none is of our own."""
    if name.startswith("celery_monitor."):
        return True
    return rules.tasks is not None and rules.tasks.match(name) is not None


@lru_cache(maxsize=1000)
def excludes_logger(name: str) -> bool:
    """Tell whether nothing of a logger is kept."""
    return rules.loggers is not None and rules.loggers.match(name) is not None


def label(key: str, value: str) -> str:
    """Return what may be kept of a label's value."""
    return EXCLUDED if key in rules.labels else redact.pair(key, value)


def text(value: Any, *, reprs: bool = False) -> str:
    """Return a value as JSON text without secrets, bounded in depth and size; never raises an Exception.

    >>> text({"user": "anna", "password": "hunter2", "pages": (1, 2), "when": object()})
    '{"user":"anna","password":"[redacted]","pages":[1,2],"when":"<object>"}'
    """
    try:
        return json.dumps(_Walk(reprs=reprs).plain(value, _DEEP), ensure_ascii=False, separators=(",", ":"))
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - a user's object, or one that changes while it is read
        return json.dumps(f"<not readable: {type(error).__name__}>")


class _Walk:
    """One value on its way to plain JSON; `left` is how many more characters it may take."""

    def __init__(self, *, reprs: bool) -> None:
        self.left = _ALL
        self._reprs = reprs

    def plain(self, value: Any, deep: int) -> Any:
        """Return lists, mappings, texts, numbers, booleans and None only."""
        kind = type(value)
        self.left -= 4
        if value is None or kind is bool:
            return value
        read = _READERS.get(kind)
        if read is not None:
            return read(self, value, deep)
        if kind in _PRINTABLE:
            return self.cut(str(value))
        return self.cut(_repr(value)) if self._reprs else f"<{kind.__name__[:_LONG]}>"

    def cut(self, value: str) -> str:
        """Return the beginning of a text, without secrets."""
        most = min(_LONG, max(self.left, 1))
        clean = redact.text(value, most)
        self.left -= len(clean)
        return clean

    def number(self, value: float, _: int) -> Any:
        """Return a number; a card's is a secret, and one of a thousand digits is too long."""
        if type(value) is int:
            if value.bit_length() > _LARGE_BITS:
                return f"<int of {value.bit_length()} bits>"
            if abs(value) >= 10**12:
                clean = redact.text(str(value))
                return value if clean == str(value) else clean
        self.left -= 8
        return value if isfinite(value) else str(value)

    def raw(self, value: bytes, _: int) -> str:
        """Return bytes as Python writes them."""
        return self.cut(repr(value[: 4 * _LONG]) + (_MORE if len(value) > 4 * _LONG else ""))

    def string(self, value: str, _: int) -> str:
        """Return a text."""
        return self.cut(value)

    def row(self, values: Any, deep: int) -> Any:
        """Return a list of the first values."""
        if deep <= 0 or self.left <= 0:
            return _MORE
        found = []
        for value in islice(values, _MANY):
            if self.left <= 0:
                break
            found.append(self.plain(value, deep - 1))
        return found if len(found) == len(values) else [*found, f"{_MORE} {len(values)} in all"]

    def mapping(self, values: Mapping[Any, Any], deep: int) -> Any:
        """Return a mapping of the first values, those under a secret's name hidden."""
        if deep <= 0 or self.left <= 0:
            return _MORE
        found: dict[str, Any] = {}
        for key, value in islice(values.items(), _MANY):
            if self.left <= 0:
                break
            name = self.cut(key) if type(key) is str else str(self.plain(key, 0))
            hidden = type(key) is str and redact.secret(key)
            found[name] = redact.MARK if hidden else self.plain(value, deep - 1)
        if len(found) < len(values):
            found[_MORE] = f"{len(values)} in all"
        return found


_READERS: Final[dict[type, Callable[[_Walk, Any, int], Any]]] = {
    int: _Walk.number, float: _Walk.number, str: _Walk.string, bytes: _Walk.raw, list: _Walk.row, tuple: _Walk.row,
    set: _Walk.row, frozenset: _Walk.row, dict: _Walk.mapping,
}  # fmt: skip


def _repr(value: Any) -> str:
    try:
        return repr(value)
    except SoftTimeLimitExceeded:
        raise
    except Exception as error:  # noqa: BLE001 - a user's __repr__
        return f"<{type(value).__name__}: repr raised {type(error).__name__}>"


def said(value: Any) -> str:
    """Return an exception's message, or any value's text; its `__str__` may be broken."""
    try:
        return str(value)
    except SoftTimeLimitExceeded:
        raise
    except Exception as broken:  # noqa: BLE001 - a user's __str__
        return f"<unprintable: {type(broken).__name__}>"


_names: dict[str, tuple[str, ...]] = {}


def arguments(task: Any, args: Any, kwargs: Any) -> str:
    """Return a call's arguments as a JSON object by the names of the task's parameters, so that secrets are known."""
    names = parameters(task)
    named = {names[at] if at < len(names) else str(at): value for at, value in enumerate(args or ())}
    return text(named | dict(kwargs or {}))


def parameters(task: Any) -> tuple[str, ...]:
    """Return the names of a task's positional parameters, kept per task."""
    known = _names.get(task.name)
    if known is None:
        positional = {Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD}
        try:
            found = signature(task.run).parameters.values()
            known = tuple(one.name for one in found if one.kind in positional)
        except (TypeError, ValueError):  # a callable without a signature
            known = ()
        if len(_names) > 5000:
            _names.clear()
        _names[task.name] = known
    return known
