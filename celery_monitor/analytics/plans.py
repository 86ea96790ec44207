"""What was planned and not published: whether it can still come, what it waits for, and whom a caller waits for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from celery_monitor.analytics.executions import GOOD, STOPPED, Execution, Standing
from celery_monitor.details import Plan
from celery_monitor.signals.record import Flag

PATIENCE_US: Final = 60_000_000
"""A planned step is published within moments of what it waits for; after a minute it is missing."""
UNSEEN_US: Final = 3_600_000_000
"""The same for a group whose publisher has no Monitor: members may wait in a queue where nobody sees them."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A step that was planned and of which nothing else is known; `due_us` is when it is missing, 0 for never."""

    plan: Plan
    standing: Standing
    due_us: int = 0


class Plans:
    """The plan rows of a run beside its executions.

    Parameters:
        rows: in any order, doubles among them.
        executions: by id, settled.
        newest_us: when the run was last heard of.
        now_us: now.
    """

    def __init__(
        self, rows: Iterable[Plan], executions: Mapping[bytes, Execution], newest_us: int, now_us: int
    ) -> None:
        self._executions = executions
        self._newest_us, self._now_us = newest_us, now_us
        self.by_id: dict[bytes, Plan] = {}
        pooled: set[Plan] = set()
        for row in sorted(set(rows)):
            if row.id:
                self.by_id.setdefault(row.id, row)
            else:
                pooled.add(row)
        self._members = self._grouped()
        self.groups = frozenset(
            {g for p in self.by_id.values() for g in (p.group, p.after) if g and g not in executions}
        )
        self.pending: dict[bytes, Pending] = {}
        self._judge_all()
        self.pooled = [self._of_many(row) for row in self._left(pooled)]

    def before(self, step: bytes) -> list[bytes]:
        """Return the ids a planned step waits for: one step, or the members of a group (their list itself)."""
        plan = self.by_id.get(step)
        return self._before(plan) if plan else []

    def _before(self, plan: Plan) -> list[bytes]:
        if not plan.after or plan.after == plan.id:
            return []
        if plan.after in self._executions or plan.after in self.by_id:
            return [plan.after]
        return self.members(plan.after)  # without the step itself, see `_grouped`

    def members(self, group: bytes) -> list[bytes]:
        """Return the ids of a group, without the steps that wait for it."""
        return self._members.setdefault(group, [])

    def _grouped(self) -> dict[bytes, list[bytes]]:
        found: dict[bytes, list[bytes]] = {}
        groups = {one.id: one.known.group for one in self._executions.values() if one.known and one.known.group}
        groups |= {id_: plan.group for id_, plan in self.by_id.items() if plan.group and id_ not in groups}
        for id_ in sorted(groups):
            plan = self.by_id.get(id_)
            # What waits for a group carries that group's id as well.
            if plan is None or plan.after != groups[id_]:
                found.setdefault(groups[id_], []).append(id_)
        return found

    def _judge_all(self) -> None:
        """Judge every step that nothing is known of; what it waits for comes first, without recursion."""
        missing = [i for i in self.by_id if i not in self._executions]
        stack, entered = list(reversed(missing)), set()
        while stack:
            step = stack[-1]
            before = [b for b in self.before(step) if b not in self._executions]
            first = [b for b in before if b not in self.pending and b not in entered]
            if step not in entered and first:
                entered.add(step)
                stack.extend(first)
                continue
            stack.pop()
            if step not in self.pending:
                self.pending[step] = self._judged(step)

    def _judged(self, step: bytes) -> Pending:
        plan, before = self.by_id[step], self.before(step)
        standings = {self._standing(b) for b in before}
        if standings & STOPPED:
            return Pending(plan, Standing.UNREACHED)
        if Standing.SKIPPED in standings:
            return Pending(plan, Standing.SKIPPED)
        if not before:
            return self._overdue(plan, max(plan.at_us, self._newest_us) + PATIENCE_US)
        if standings <= GOOD:
            ended = max(self._executions[b].ended_us for b in before if b in self._executions)
            return self._overdue(plan, ended + (UNSEEN_US if self._foreign(plan, before) else PATIENCE_US))
        return Pending(plan, Standing.MISSING if standings <= GOOD | {Standing.MISSING} else Standing.PLANNED)

    def _of_many(self, row: Plan) -> Pending:
        """Return a row of many steps: they are told by their number alone, so none of them is ever called missing."""
        stopped = any(self._standing(b) in STOPPED for b in self._before(row))
        return Pending(row, Standing.UNREACHED if stopped else Standing.PLANNED)

    def _standing(self, step: bytes) -> Standing:
        if step in self._executions:
            return self._executions[step].standing
        known = self.pending.get(step)
        return known.standing if known else Standing.PLANNED

    def _overdue(self, plan: Plan, due_us: int) -> Pending:
        if self._now_us > due_us:
            return Pending(plan, Standing.MISSING)
        return Pending(plan, Standing.PLANNED, due_us)

    def _foreign(self, plan: Plan, before: list[bytes]) -> bool:
        if plan.after in self._executions or plan.after in self.by_id:
            return False
        words = [self._executions[b].word for b in before if b in self._executions]
        return any(w is not None and w.flags & Flag.FOREIGN for w in words)

    def _left(self, pooled: Iterable[Plan]) -> list[Plan]:
        """Return what is left of rows that stand for many steps, once those that were published are taken off."""
        seen = Counter(
            one.task for one in self._executions.values() if one.id not in self.by_id and one.known and one.known.parent
        )
        left = []
        for row in sorted(pooled):
            taken = min(seen[row.task], row.steps)
            seen[row.task] -= taken
            if row.steps > taken:
                left.append(row._replace(steps=row.steps - taken))
        return left
