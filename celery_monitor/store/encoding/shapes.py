"""Holds what was unpacked against the types it should have: bytes in a store may be anybody's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints, is_typeddict

from celery_monitor.model import Series
from celery_monitor.store.encoding.packing import Undecodable

Row = TypeVar("Row")
Check = Callable[[Any], bool]
LARGEST: Final = 1 << 62
"""No number of ours comes near it, and sums of some still fit where 64 bits are all there is."""


_PARTS: Final = {
    "task": 3, "worker": 2, "workflow": 2, "step": 3, "span": 3, "wait": 2, "measure": 4, "label": 3, "infra": 2,
    "failure": 4, "failure_task": 4, "failure_worker": 3,
}  # fmt: skip
"""Kind of a series to how many texts name one, the kind among them; those of newer releases may have any number."""


def series(raw: Any) -> Series:
    """Return a series, checked: one that is too short would stop who looks for its name.

    Raises:
        Undecodable: it is none; a TypeError where something in it is no text.
    """
    if raw.__class__ is not list or not raw or len(raw) != _PARTS.get(raw[0], len(raw)):
        raise Undecodable(f"series {raw!r:.80}")
    "".join(raw)
    return tuple(raw)


def kept(value: Any, kind: Any) -> dict[str, Any]:
    """Return a dict without the items that are not of the types of a TypedDict; items unknown to it stay.

    >>> from celery_monitor.model import Pace
    >>> kept({"agents": 3, "by": 7, "new": None}, Pace)
    {'agents': 3, 'new': None}
    """
    hints = _hints(kind)
    return {key: each for key, each in value.items() if key not in hints or checker(hints[key])(each)}


def row(kind: type[Row], values: Any) -> Row:
    """Return the NamedTuple or dataclass of a list: what a newer release added is left out, defaults are filled in.

    Raises:
        Undecodable: too short, or a value is not of its column's type.
    """
    hints = _hints(cast("Any", kind))
    if not isinstance(values, list):
        raise Undecodable(f"{kind.__name__}: {type(values).__name__} is no list")
    for (name, hint), value in zip(hints.items(), values, strict=False):
        if not checker(hint)(value):
            raise Undecodable(f"{kind.__name__}.{name}: {type(value).__name__}")
    try:
        return kind(*values[: len(hints)])
    except TypeError as e:
        raise Undecodable(f"{kind.__name__}: {len(values)} values") from e


@cache
def _hints(kind: Any) -> Mapping[str, Any]:
    return get_type_hints(kind)


@cache
def checker(hint: Any) -> Check:
    """Return what tells whether a value is of a type: those that our stored rows and states are made of."""
    if is_typeddict(hint):
        return _typed_dict(hint)
    origin, of = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        each = [checker(one) for one in of]
        return lambda value: any(check(value) for check in each)
    if origin is list:
        item = checker(of[0])
        return lambda value: isinstance(value, list) and all(map(item, value))
    if origin is dict:
        key, item = checker(of[0]), checker(of[1])
        return lambda value: isinstance(value, dict) and all(map(key, value)) and all(map(item, value.values()))
    if origin is tuple:
        each = [checker(one) for one in of]
        return lambda value: _is_tuple(value, each)
    return _PLAIN[hint]


def _typed_dict(hint: Any) -> Check:
    checks = {name: checker(one) for name, one in _hints(hint).items()}

    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        return all(key not in checks or checks[key](each) for key, each in value.items())

    return fits


def _is_tuple(value: Any, each: list[Check]) -> bool:
    if not isinstance(value, list | tuple) or len(value) != len(each):
        return False
    return all(check(one) for check, one in zip(each, value, strict=True))


def _is_int(value: Any) -> bool:
    return value.__class__ is int and -LARGEST <= value <= LARGEST  # True is one of its subclass


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and isfinite(value) and -LARGEST <= value <= LARGEST


_PLAIN: Final[dict[Any, Check]] = {
    int: _is_int,
    float: _is_number,
    str: lambda value: isinstance(value, str),
    bytes: lambda value: isinstance(value, bytes),
    bool: lambda value: isinstance(value, bool),
    NoneType: lambda value: value is None,
    Any: lambda _: True,
}
