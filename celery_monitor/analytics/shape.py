"""Who waits for whom among the executions of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from celery_monitor.analytics.executions import Execution
from celery_monitor.analytics.judged import Judged
from celery_monitor.analytics.plans import Plans
from celery_monitor.analytics.tree import Node


class Shape:
    """Who waits for whom among the executions of a run."""

    def __init__(self, judged: Judged, plans: Plans, counted: Mapping[bytes, Execution]) -> None:
        self.plans = plans
        self.counted = counted
        self._by_key, self._edges = judged.nodes, judged.edges
        self._nodes: dict[bytes, list[Node]] = {}
        for node in judged.nodes.values():
            self._nodes.setdefault(node.id, []).append(node)
        self._first = {step: nodes[0] for step, nodes in self._nodes.items()}
        self._above = {step: self._by_key.get(self._edges[node.key]) for step, node in self._first.items()}
        # Each is asked for by every step: what stands behind a group of thousands may be thousands itself.
        self._bodies = {step for step, node in self._first.items() if self._is_body(node, self._above[step])}
        self._headers: dict[bytes, list[bytes]] = {}
        self._waited: dict[bytes, bool] | None = None

    def before(self, node: Node) -> Iterator[Node]:
        """Yield the attempts a node waited for, its parent left out."""
        own = self._nodes[node.id]
        at = own.index(node)
        if at:
            yield own[at - 1]
        body = self._is_body(node, self._by_key.get(self._edges[node.key]))
        for step in self._awaited(node.id, body=body):
            yield from self._nodes.get(step, ())

    def waited(self) -> dict[bytes, bool]:
        """Return for each counted execution whether the run's caller waits for it: all but plain children."""
        if self._waited is None:
            found: dict[bytes, bool] = {}
            for start in self.counted:
                self._climb(start, found)
            self._waited = {i: found[i] for i in self.counted}
        return self._waited

    def _climb(self, start: bytes, found: dict[bytes, bool]) -> None:
        above = []
        step: bytes | None = start
        while step is not None and step not in found:
            found[step] = True  # for now, so that a loop ends
            above.append(step)
            step = self.parent(step)
        known = step is None or found[step]
        for each in reversed(above):
            known = found[each] = self.parent(each) is None or (known and self._planned(each))

    def leaves(self) -> list[bytes]:
        """Return the executions that nothing follows."""
        followed = {self._edges[key] for key in self._by_key}
        joined = self._all_awaited([*self.plans.by_id, *self._bodies])
        return [i for i in self.counted if i not in joined and self._nodes[i][-1].key not in followed]

    def last_waited(self) -> list[bytes]:
        """Return the last of what the caller waits for: it may have children of its own, like a failure's callback."""
        mine = [i for i, waits in self.waited().items() if waits]
        inner = {self.parent(i) for i in mine}
        joined = self._all_awaited(mine)
        return [i for i in mine if i not in inner and i not in joined]

    def _all_awaited(self, steps: Iterable[bytes]) -> set[bytes]:
        """Return what any of some steps waits for; a group that thousands wait for is looked at once."""
        joined: set[bytes] = set()
        groups: set[int] = set()
        for step in steps:
            awaited = self._awaited(step, body=step in self._bodies)
            if len(awaited) == 1 or id(awaited) not in groups:
                joined.update(awaited)
                groups.add(id(awaited))  # lists of more than one are kept, so that no other takes their place
        return joined

    def _awaited(self, step: bytes, *, body: bool) -> list[bytes]:
        """Return what a step waits for; of steps that wait for the same group the same list."""
        planned = self.plans.before(step)
        if planned or not body:
            return planned
        group = self._first[step].group
        if group not in self._headers:
            self._headers[group] = [m for m in self.plans.members(group) if m not in self._bodies]
        return self._headers[group]

    @staticmethod
    def _is_body(node: Node, parent: Node | None) -> bool:
        """Tell a chord's body of which no plan is known: like nothing else it has its parent's group."""
        return parent is not None and bool(node.group) and parent.id != node.id and parent.group == node.group

    def _planned(self, step: bytes) -> bool:
        return step in self.plans.by_id or self._first[step].group in self.plans.groups or step in self._bodies

    def parent(self, step: bytes) -> bytes | None:
        """Return the execution that published a step, None when it is none of this run."""
        parent = self._above[step]
        return parent.id if parent is not None and parent.id != step else None
