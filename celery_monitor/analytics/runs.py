"""A run judged from its rows: its tree, what is still planned, its state, its totals and what set its duration.

Pure and indifferent to the order in which rows arrived and to rows that came twice. A run that was over and of which
something new is heard is simply judged again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from celery_monitor.analytics import path as paths
from celery_monitor.analytics import totals as sums
from celery_monitor.analytics import tree
from celery_monitor.analytics.executions import GOOD, Execution, Standing, end_of, surer
from celery_monitor.analytics.judged import Judged, Rows, id_of, row, text_of
from celery_monitor.analytics.plans import PATIENCE_US, Plans
from celery_monitor.analytics.shape import Shape
from celery_monitor.analytics.tree import Node
from celery_monitor.details import Labelled, Measure, RunState, Span, Wait, closed
from celery_monitor.model import Attempt
from celery_monitor.signals import labels as label_text
from celery_monitor.signals.record import Flag, State, pack_id

__all__ = ["Judged", "Rows", "id_of", "judge", "row", "text_of"]
ABANDONED: Final = "abandoned"
"""Outcome of a wait that its attempt left open."""
_CONTINUES: Final = int(Flag.CONTINUES)


def judge(rows: Rows, now_us: int) -> Judged:
    """Return what a run comes to."""
    executions = _executions(rows)
    judged = Judged(rows.run, RunState.RUNNING, executions=executions)
    counted = {i: one for i, one in executions.items() if not one.infrastructure}
    ordered = tree.nodes(executions.values(), now_us)
    judged.nodes = {node.key: node for node in ordered}
    judged.edges = tree.edges(ordered)
    judged.spans = sorted(set(rows.spans), key=lambda s: (s.at_us - s.duration_us, s.uid, s.number, s))
    _add_waits(judged, rows.waits)
    judged.newest_us = _newest(rows, executions)
    plans = Plans(rows.plans, executions, judged.newest_us, now_us)
    shape = Shape(judged, plans, counted)
    judged.pending = [plans.pending[i] for i in sorted(plans.pending)]
    judged.pooled = plans.pooled
    judged.known = len(counted) + len(judged.pending) + sum(p.plan.steps for p in judged.pooled)
    judged.totals = sums.totals(counted.values(), judged.spans, judged.waits, now_us)
    judged.totals.measures = sums.measured(set(rows.measures))
    judged.state, judged.again_us = _state(judged, shape, now_us)
    _name(judged, rows, ordered)
    _time(judged, shape, now_us)
    nodes = paths.longest(judged.nodes, judged.edges, shape.before)
    judged.path = [node.key for node in nodes]
    judged.bottleneck = paths.bottleneck(nodes)
    judged.before = max(rows.runs, key=lambda r: (r.revision, r.at_us, r), default=None)
    return judged


def _executions(rows: Rows) -> dict[bytes, Execution]:
    found: dict[bytes, Execution] = {}
    ends: dict[bytes, Attempt] = {}
    for a in rows.attempts:
        known = ends.get(a.uid)
        ends[a.uid] = a if known is None else surer(known, a)
    for a in ends.values():
        _of(found, a.id).attempts.append(a)
    for p in set(rows.publishes):
        _of(found, p.id).publishes.append(p)
    for uid, r in sorted({bytes.fromhex(r["uid"]): r for r in rows.running}.items()):
        if uid not in ends:
            _of(found, pack_id(r["id"])).running.append(r)
    for own in sorted(set(rows.labels), key=lambda n: (n.at_us, n)):
        if own.id in found:
            found[own.id].labels |= label_text.read(own.labels)
    for one in found.values():
        one.settle()
    _skip(found)
    return {i: found[i] for i in sorted(found)}


def _of(found: dict[bytes, Execution], packed: bytes) -> Execution:
    one = found.get(packed)
    if one is None:
        one = found[packed] = Execution(packed)
    return one


def _skip(executions: dict[bytes, Execution]) -> None:
    """Tell the steps that were never published because one before them was ignored on purpose."""
    for one in executions.values():
        if one.standing is Standing.UNREACHED and one.word is not None:
            behind = executions.get(one.word.parent)
            if behind is not None and behind.standing is Standing.SKIPPED:
                one.standing = Standing.SKIPPED


def _add_waits(judged: Judged, waits: Iterable[Wait]) -> None:
    """Add the waits; one that its attempt left open ended with it."""
    for wait in _paired(waits):
        node = judged.nodes.get(wait.uid) if wait.uid and not wait.ended_us else None
        if node is not None and node.ended_us and node.state != State.INTERRUPTED.name:
            ended = max(node.ended_us, wait.begun_us)
            judged.abandoned.append(wait._replace(at_us=ended, ended_us=ended, outcome=ABANDONED))
            judged.waits.append(judged.abandoned[-1])
        else:
            judged.waits.append(wait)
    judged.waits.sort(key=lambda w: (w.begun_us, w.key))


def _paired(waits: Iterable[Wait]) -> Iterable[Wait]:
    """Return each wait once: its end may not be folded yet, or may have been folded while its rows were read."""
    begun: dict[bytes, dict[int, Wait]] = {}
    ends = []
    for wait in sorted(waits, key=lambda w: (w.ended_us, w)):
        if wait.begun_us:
            begun.setdefault(wait.key, {})[wait.begun_us] = wait
        else:
            ends.append(wait)
    for end in ends:
        mine = begun.get(end.key, {})
        last = max((at for at in mine if at <= end.ended_us), default=None)
        if last is not None and not mine[last].ended_us:
            mine[last] = closed(mine[last], end)
    return [wait for mine in begun.values() for wait in mine.values()]


def _newest(rows: Rows, executions: dict[bytes, Execution]) -> int:
    newest = max((end_of(a) for one in executions.values() for a in one.attempts), default=0)
    newest = max(newest, max((p.published_us for p in rows.publishes), default=0))
    newest = max(newest, max((r["started_us"] for r in rows.running), default=0))
    details: Iterable[Iterable[Span | Wait | Measure | Labelled]] = (rows.spans, rows.waits, rows.measures, rows.labels)
    return max(newest, max((d.at_us for table in details for d in table), default=0))


def _state(judged: Judged, shape: Shape, now_us: int) -> tuple[RunState, int]:
    """Return the state, and when time alone changes it (0 for never)."""
    standings = {one.standing for one in shape.counted.values()}
    pending = {p.standing for p in (*judged.pending, *judged.pooled)}
    busy = any(one.standing is Standing.OPEN for one in judged.executions.values())
    if busy or any(not w.ended_us for w in judged.waits):
        return RunState.RUNNING, 0
    due = [p.due_us for p in judged.pending if p.due_us]
    if due:
        return RunState.RUNNING, min(due)
    if Standing.MISSING in pending:
        return RunState.STUCK, 0
    if Standing.UNREACHED in standings | pending:
        return RunState.FAILED, 0
    if not standings:  # nothing was published so far
        due_us = judged.newest_us + PATIENCE_US
        return (RunState.RUNNING, due_us) if now_us <= due_us else (RunState.SUCCEEDED, 0)
    if not standings & GOOD or _ended_badly(shape):
        return RunState.FAILED, 0
    return (RunState.SUCCEEDED if standings <= GOOD else RunState.PARTIAL), 0


def _ended_badly(shape: Shape) -> bool:
    """Tell whether all last steps failed: of everything, or of what the caller waits for."""
    lasts = (shape.leaves(), shape.last_waited())
    return any(last and not any(shape.counted[i].standing in GOOD for i in last) for last in lasts)


def _name(judged: Judged, rows: Rows, ordered: list[Node]) -> None:
    first = next((n for n in ordered if not judged.executions[n.id].infrastructure), None)
    root = next((n for n in ordered if judged.edges[n.key] == tree.ROOT and n.state != "NEVER_PUBLISHED"), first)
    judged.root_task = root.task if root else ""
    names = Counter(one.known.workflow for one in judged.executions.values() if one.known)
    names.update(r.get("workflow", "") for r in rows.running)
    del names[""]
    judged.workflow = min(names, key=lambda name: (-names[name], name), default="")
    for told in sorted(set(rows.labels), key=lambda n: (n.at_us, n)):
        if not told.id:
            judged.labels |= label_text.read(told.labels)
            judged.workflow = told.workflow or judged.workflow
            judged.description = told.description or judged.description
    judged.continues = judged.labels.pop(label_text.CONTINUES, "")
    flags = [f for one in judged.executions.values() for f in one.flags]
    judged.continued = bool(judged.continues) or any(f & _CONTINUES for f in flags)


def _time(judged: Judged, shape: Shape, now_us: int) -> None:
    counted = {i: one for i, one in shape.counted.items() if one.state != State.NEVER_PUBLISHED.name}
    told = [one.published_us for one in counted.values()]
    # Where the first message's time is unknown (no Monitor there), the time of a later one would pass for it.
    known = all(one.published_us for i, one in counted.items() if shape.parent(i) is None)
    judged.published_us = min((t for t in told if t), default=0) if known else 0
    judged.started_us = min((n.started_us for n in judged.nodes.values() if n.body), default=0)
    begun = judged.started_us or judged.published_us
    ended = {i: one.ended_us for i, one in counted.items()}
    last = max((*ended.values(), *(w.ended_us for w in judged.waits if not any(w.uid))), default=0)
    if judged.state is RunState.RUNNING:
        judged.duration_us = max(now_us - begun, 0) if begun else 0
        return
    judged.ended_us = last if judged.over else 0
    judged.duration_us = max(last - begun, 0) if begun else 0
    if judged.published_us and judged.over:
        mine = max((ended[i] for i, waits in shape.waited().items() if waits and i in ended), default=0)
        judged.turnaround_us = max(mine - judged.published_us, 0) if mine else -1
