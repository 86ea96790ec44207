"""Puts methods of ours around those of a class, and takes them off again as if they had never been there."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple

Method = Callable[..., Any]


class _Put(NamedTuple):
    owner: type[Any]
    name: str
    ours: Method
    before: Any  # None: it was inherited


class Replaced:
    """Methods that were put around others."""

    def __init__(self) -> None:
        self._put: list[_Put] = []

    def put(self, owner: type[Any], name: str, around: Callable[[Method], Method]) -> None:
        """Put a method around what stands there, whoever has put that there; a class without it stays as it is."""
        real = getattr(owner, name, None)
        if callable(real):
            ours = wraps(real)(around(real))
            ours.__module__ = owner.__module__  # pickled by its name, as it was
            self._put.append(_Put(owner, name, ours, vars(owner).get(name)))
            setattr(owner, name, ours)

    def restore(self) -> None:
        """Put back what stood there; what somebody has put around ours meanwhile stays."""
        while self._put:
            owner, name, ours, before = self._put.pop()
            if vars(owner).get(name) is not ours:
                continue
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)

    def covers(self, owner: type[Any]) -> bool:
        """Tell whether a class has, or inherits, methods of ours."""
        owners = {put.owner for put in self._put}
        return any(each in owners for each in owner.__mro__)
