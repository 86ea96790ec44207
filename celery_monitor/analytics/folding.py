"""Executions of a run that are told together: by the one above them that is shown, and by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from statistics import median_low
from typing import NamedTuple

from celery_monitor.analytics.executions import Execution


class Place(NamedTuple):
    """Where an execution stands: `above` is the nearest anchor above it, b"" for none."""

    above: bytes
    task: str


@dataclass(slots=True)
class Group:
    """What stands at one place.

    Attributes:
        members: those that are not shown one by one.
        runtimes_us: run times of all that ran, shown or not, all attempts together.
        parents: how often a member's parent stands at another place; None where its parent is an anchor.
    """

    members: list[Execution] = field(default_factory=list)
    runtimes_us: list[int] = field(default_factory=list)
    parents: Counter[Place | None] = field(default_factory=Counter)

    def add(self, e: Execution, parent: Place | None, *, shown: bool) -> None:
        """Count an execution in."""
        ran = [a.runtime_us for a in e.attempts if a.runtime_us >= 0]
        if ran:
            self.runtimes_us.append(sum(ran) if len(ran) > 1 else ran[0])
        if not shown:
            self.members.append(e)
            self.parents[parent] += 1

    def median_us(self) -> int | None:
        """Return the run time of the one in the middle; None when none has run."""
        return median_low(self.runtimes_us) if self.runtimes_us else None

    def after(self, place: Place) -> str | None:
        """Return the task of the group that most members' parents are in; None when those are anchors, or of this."""
        (parent, _), *_ = self.parents.most_common(1)
        return parent.task if parent not in (None, place) else None


def groups(
    executions: Mapping[bytes, Execution], shown: Collection[bytes], anchors: Collection[bytes]
) -> dict[Place, Group]:
    """Return what stands at each place below `anchors`; what is `shown` is counted with the others."""
    above: dict[bytes, bytes] = {}
    for id_, e in executions.items():
        if e.parent != id_ and (e.parent in anchors or e.parent not in executions):  # as most do
            above[id_] = e.parent
        else:
            _climb(id_, executions, anchors, above)
    places: dict[tuple[bytes, str], Place] = {}
    found: dict[Place, Group] = {}
    for id_, e in executions.items():
        place = _place(places, above[id_], e.task)
        group = found.get(place)
        if group is None:
            group = found[place] = Group()
        between = e.parent in executions and e.parent not in anchors
        parent_ = _place(places, above[e.parent], executions[e.parent].task) if between else None
        group.add(e, parent_, shown=id_ in shown)
    return found


def _place(known: dict[tuple[bytes, str], Place], above: bytes, task: str) -> Place:
    """Return a place that is made once: thousands stand at the same."""
    place = known.get((above, task))
    if place is None:
        place = known[above, task] = Place(above, task)
    return place


def _climb(
    id_: bytes, executions: Mapping[bytes, Execution], anchors: Collection[bytes], above: dict[bytes, bytes]
) -> None:
    """Note the nearest anchor above an execution and all on the way to it; without recursion: runs are deep."""
    way: list[bytes] = []
    passed: set[bytes] = set()
    at = id_
    while True:
        way.append(at)
        passed.add(at)
        at = executions[at].parent
        if at in anchors or at not in executions or at in passed:
            found = b"" if at in passed else at
            break
        if at in above:
            found = above[at]
            break
    for one in way:
        above.setdefault(one, found)
