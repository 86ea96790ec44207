"""The path that set a run's duration, walked back from its last end, and the step that took most of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from celery_monitor.analytics.tree import ROOT, Node

SKEW_US = 50_000
"""Clocks of hosts differ: an attempt that ended this little after the next began may have caused it."""


class Bottleneck(NamedTuple):
    """The step with the most run time on the path, and that time."""

    step: str
    duration_us: int


def longest(
    nodes: Mapping[bytes, Node],
    edges: Mapping[bytes, bytes],
    before: Callable[[Node], Iterable[Node]],
) -> list[Node]:
    """Return the attempts that set the duration, the first one first.

    From the attempt that ended last the walk goes to what it waited for: of those that had ended when it began the last
    to end; where none had, the attempt that published it while it ran itself.

    Parameters:
        nodes: by key; those that run still count as ending after all others.
        edges: key to the key of its parent, as `tree.edges` returns them.
        before: what a node waited for beside its parent: an earlier attempt, the members of a group.
    """
    started = [n for n in nodes.values() if n.state not in {"WAITING", "NEVER_PUBLISHED"}]
    if not started:
        return []
    path = [max(started, key=lambda n: (not n.ended_us, n.ended_us, n.started_us, n.key))]
    seen = {path[0].key}
    while True:
        node = path[-1]
        parent = nodes.get(edges.get(node.key, ROOT))
        candidates = [n for n in before(node) if n.key not in seen]
        if parent is not None and parent.key not in seen:
            candidates.append(parent)
        over = [n for n in candidates if 0 < n.ended_us <= node.started_us + SKEW_US]
        if over:
            path.append(max(over, key=lambda n: (n.ended_us, n.started_us, n.key)))
        elif parent is not None and parent.key not in seen:
            path.append(parent)
        else:
            return path[::-1]
        seen.add(path[-1].key)


def bottleneck(path: Iterable[Node]) -> Bottleneck:
    """Return the step with the most run time on a path; of equal ones the first by name.

    >>> def ran(task, us): return Node(0, task.encode(), b"", task, "SUCCESS", 0, us, us, b"", b"", "", True)
    >>> bottleneck([ran("fetch", 10), ran("charts", 30), ran("fetch", 15)])
    Bottleneck(step='charts', duration_us=30)
    >>> bottleneck([])
    Bottleneck(step='', duration_us=0)
    """
    sums: dict[str, int] = {}
    for node in path:
        if node.body:
            sums[node.task] = sums.get(node.task, 0) + node.runtime_us
    return max((Bottleneck(*item) for item in sorted(sums.items())), key=_time, default=Bottleneck("", 0))


def _time(one: Bottleneck) -> int:
    return one.duration_us
