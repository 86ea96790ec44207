"""Who waits for whom among the executions of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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

    def before(self, node: Node) -> Iterator[Node]:
        """Yield the attempts a node waited for, its parent left out."""
        own = self._nodes[node.id]
        at = own.index(node)
        if at:
            yield own[at - 1]
        for step in self._awaited(node):
            yield from self._nodes.get(step, ())

    def waited(self) -> dict[bytes, bool]:
        """Return for each counted execution whether the run's caller waits for it: all but plain children."""
        found: dict[bytes, bool] = {}
        for start in self.counted:
            above = []
            step: bytes | None = start
            while step is not None and step not in found:
                found[step] = True  # for now, so that a loop ends
                above.append(step)
                step = self.parent(step)
            known = step is None or found[step]
            for each in reversed(above):
                known = found[each] = self.parent(each) is None or (known and self._planned(each))
        return {i: found[i] for i in self.counted}

    def leaves(self) -> list[bytes]:
        """Return the executions that nothing follows."""
        followed = {self._edges[key] for key in self._by_key}
        joined: set[bytes] = set()
        for step in self.plans.by_id:
            joined.update(self.plans.before(step))
        for nodes in self._nodes.values():
            if self._joins(nodes[0]):
                joined.update(self._awaited(nodes[0]))
        return [i for i in self.counted if i not in joined and self._nodes[i][-1].key not in followed]

    def last_waited(self) -> list[bytes]:
        """Return the last of what the caller waits for: it may have children of its own, like a failure's callback."""
        mine = [i for i, waits in self.waited().items() if waits]
        inner = {self.parent(i) for i in mine}
        joined = {b for i in mine for b in self._awaited(self._nodes[i][0])}
        return [i for i in mine if i not in inner and i not in joined]

    def _awaited(self, node: Node) -> list[bytes]:
        planned = self.plans.before(node.id)
        if planned or not self._joins(node):
            return planned
        others = (m for m in self.plans.members(node.group) if m != node.id)
        return [m for m in others if not any(map(self._joins, self._nodes.get(m, ())[:1]))]

    def _joins(self, node: Node) -> bool:
        """Tell a chord's body of which no plan is known: like nothing else it has its parent's group."""
        parent = self._by_key.get(self._edges[node.key])
        return parent is not None and bool(node.group) and parent.id != node.id and parent.group == node.group

    def _planned(self, step: bytes) -> bool:
        node = self._nodes[step][0]
        return step in self.plans.by_id or node.group in self.plans.groups or self._joins(node)

    def parent(self, step: bytes) -> bytes | None:
        """Return the execution that published a step, None when it is none of this run."""
        parent = self._by_key.get(self._edges[self._nodes[step][0].key])
        return parent.id if parent is not None and parent.id != step else None
