"""Which run a message belongs to, decided once, at publish, so that nobody ever merges runs.

First hit wins: the innermost open `with workflow()` of the attempt this publish happens in or, outside tasks, of its
context; the run of that attempt; our header already there (a retry published by the parent, a redelivery); the
outermost group reached from the message's canvas; its own group; its root; itself. A worker applies the last four to
a message whose publisher has no Monitor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from celery_monitor.signals.record import fixed_id, pack_id

UNLOCK: Final = "celery.chord_unlock"
CHAIN: Final = " (chain)"
GROUP: Final = " (group)"
CHORD: Final = " (chord)"
"""Ends of the names that unnamed workflows get."""


class Shape(NamedTuple):
    """The parts of a message that tell which canvas it belongs to."""

    task: str
    id: str
    root: str | None
    group: str | None
    chain: list[Any] | None  # the steps behind it, the last one first
    chord: Any  # the body's signature
    args: Any


def derive(shape: Shape) -> tuple[bytes, str]:
    """Return the run id (16 bytes) and the workflow's name for a message that inherits neither.

    The name of an unnamed workflow is its root task and shape, empty for a single task. For a chord it is the body's,
    which every header task knows: whoever publishes them all may know better (`publishes`).
    """
    group, chord = shape.group, shape.chord
    if shape.task == UNLOCK and shape.args and len(shape.args) > 1:
        group, chord = shape.args[0], shape.args[1]
    elif shape.chain:
        group, chord = _tail(shape.chain[0])
    body = ""
    for _ in range(100):  # nesting is shallow; a bound keeps a forged message from spinning us
        if not isinstance(chord, Mapping):
            break
        body = str(chord.get("task") or body)
        options = _mapping(chord.get("options"))
        group, chord = options.get("group_id") or group, options.get("chord")
    run = fixed_id(pack_id(str(group or shape.root or shape.id)))
    if body:
        return run, f"{body}{CHORD}"
    if group:
        return run, f"{shape.task}{GROUP}"
    return run, f"{shape.task}{CHAIN}" if shape.chain else ""


def _tail(step: Any) -> tuple[str | None, Any]:
    """Return the group and chord of a chain's last step; a chord there counts through its body."""
    if isinstance(step, Mapping) and step.get("task") == "celery.chord":
        step = _mapping(step.get("kwargs")).get("body")
    options = _mapping(_mapping(step).get("options"))
    return options.get("group_id"), options.get("chord")


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a part of a signature; an empty one where a forged message has something else."""
    return value if isinstance(value, Mapping) else {}
