"""Finds the request that runs in this thread or greenlet, where Celery's stacks keep it.

`LocalStack.top` and `.stack` come to it through an attribute that is not found and a `__getattr__` in Python: asked at
both ends of an attempt, that was a quarter of what recording it cost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

_Kept = tuple[dict[Any, dict[str, list[Any]]], Callable[[], Any]]
_MOST: Final = 5000
_kept: dict[Any, _Kept] = {}
"""Where a stack keeps its entries by thread or greenlet, and what tells which of them this one is."""


def top(stack: Any) -> Any:
    """Return the innermost entry of one of Celery's stacks here, None when it has none."""
    kept = _kept.get(stack)
    if kept is None:
        return _first(stack)
    storage, ident = kept
    try:
        return storage[ident()]["stack"][-1]
    except (KeyError, IndexError):
        return None


def _first(stack: Any) -> Any:
    """Return the innermost entry by the public way, and keep the short one for the next time, where there is one."""
    local = getattr(stack, "_local", None)  # with USE_FAST_LOCALS there is none, and the public way is short
    storage, ident = getattr(local, "__storage__", None), getattr(local, "__ident_func__", None)
    if isinstance(storage, dict) and callable(ident):
        if len(_kept) >= _MOST:  # a task made per call would otherwise grow a worker without end
            _kept.clear()
        _kept[stack] = storage, ident
    return stack.top
