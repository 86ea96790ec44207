"""One run as the JSON API shows it: its tree, what is planned, its spans and waits, its totals and its bottleneck."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from celery_monitor.analytics import folding
from celery_monitor.analytics.executions import Execution, Standing
from celery_monitor.analytics.judged import Judged, id_of, row, text_of
from celery_monitor.analytics.plans import Pending
from celery_monitor.analytics.runs import judge
from celery_monitor.analytics.totals import MeasureTotal, Names, Totals
from celery_monitor.details import Span, Wait
from celery_monitor.errors import BadRequest
from celery_monitor.query import paging, runs, steps
from celery_monitor.query.kept import Kept, version
from celery_monitor.query.texts import parsed
from celery_monitor.query.times import iso, seconds
from celery_monitor.signals.record import fixed_id, unpack_id
from celery_monitor.store.connection import Store

DEFAULT_EXECUTIONS: Final = 200
_FORMS: Final = {"objects": (steps.objects, paging.MOST_LIMIT), "columns": (steps.columns, 10_000)}
"""How executions are told one by one, and at most how many."""
_DULL: Final = frozenset({Standing.SUCCEEDED, Standing.SKIPPED, Standing.PLANNED, Standing.MISSING})
_MOST_DETAILS: Final = 500
"""Spans, waits, planned steps shown of a run."""
_MOST_GROUPS: Final = 200
_LEAST_OF_GROUP: Final = 3
_MOST_SMALL: Final = 20
"""More groups of fewer members tell nothing that could be read off at a glance."""


class Asked(NamedTuple):
    """How many executions are shown one by one, and in which of `_FORMS`; the others are folded by parent and task."""

    limit: int = DEFAULT_EXECUTIONS
    form: str = "objects"


def parse(limit: int | str | None = None, form: str | None = None) -> Asked:
    """Return what is asked for from what a face was given.

    Raises:
        BadRequest: not of the accepted form.
    """
    form = form or "objects"
    if form not in _FORMS:
        raise BadRequest("bad_form", f"form: {form[:40]!r} is none; give one of {', '.join(_FORMS)}")
    return Asked(paging.limit(limit, DEFAULT_EXECUTIONS, _FORMS[form][1]), form)


def one(store: Store, kept: Kept, run_id: str, asked: Asked, now_us: int) -> dict[str, Any] | None:
    """Return a run, None when nothing is known of it.

    Parameters:
        kept: answers about runs that are over, by `asked`.

    Raises:
        StoreError: the store does not answer.
    """
    run = id_of(run_id)
    known = runs.recorded(store, [run], now_us).get(run)
    if known is None:
        return None
    heard = version(known)
    answer = kept.get((run, asked), heard) if heard is not None else None
    if answer is None:
        found = judge(known, now_us)
        answer = shown(found, asked, now_us)
        if heard is not None and found.over:
            kept.put((run, asked), heard, answer, min(asked.limit, found.known))
    return answer


def shown(run: Judged, asked: Asked, now_us: int) -> dict[str, Any]:
    """Return a run as the API shows it."""
    expired = run.before is not None and run.known < run.before.known
    told = row(run)
    head = runs.shown(run.before if expired and run.before else told._replace(revision=_revision(run)))
    picked = _picked(run, asked.limit)
    told_one_by_one, _ = _FORMS[asked.form]
    return head | {
        "description": run.description or None,
        "continues": run.continued,
        "expired": expired,
        "totals": _totals(run.totals, run.known),
        "measures": [_measure(m) for m in run.totals.measures[:_MOST_DETAILS]],
        "path": [key.hex() for key in run.path],
        "executions": told_one_by_one(run, picked),
        "folded": _folded(run, picked),
        "planned": [_planned(p) for p in (*run.pending, *run.pooled)[:_MOST_DETAILS]],
        "spans": [span(s) for s in run.spans[:_MOST_DETAILS]],
        "waits": [wait(w, now_us) for w in run.waits[:_MOST_DETAILS]],
    }


def _revision(run: Judged) -> int:
    """Return how often the run was over, this time included: what is stored already does not count anew."""
    return (run.before.revision if run.before else 0) + (run.before is None or not run.over or _news(run))


def _news(run: Judged) -> bool:
    return run.before is not None and row(run)._replace(revision=run.before.revision) != run.before


def _picked(run: Judged, limit: int) -> list[Execution]:
    """Return the executions to show one by one, by their start: the path, what is open and what failed come first."""
    first = {node.id: node.started_us for node in reversed(run.nodes.values())}
    on_path = {run.nodes[key].id for key in run.path}

    def rank(e: Execution) -> tuple[bool, bool, bool, int]:
        return e.id not in on_path, e.standing in _DULL, e.infrastructure, first[e.id]

    chosen = sorted(run.executions.values(), key=rank)[:limit]
    return sorted(chosen, key=lambda e: (first[e.id], e.id))


def _folded(run: Judged, picked: Sequence[Execution]) -> list[dict[str, Any]]:
    """Return the executions that are not shown one by one, by the one above them and task, those with most first.

    The one above is the nearest that is shown; the nearest on the path, or none, where those are many groups of few.
    """
    shown_ = {e.id for e in picked}
    on_path = {run.nodes[key].id for key in run.path} & shown_
    rest: list[tuple[folding.Place, folding.Group]] = []
    for anchors in (shown_, on_path, frozenset[bytes]()):
        groups = folding.groups(run.executions, shown_, anchors)
        rest = [(place, group) for place, group in groups.items() if group.members]
        small = sum(len(group.members) < _LEAST_OF_GROUP for _, group in rest)
        if len(rest) <= _MOST_GROUPS and small <= _MOST_SMALL:
            break
    rest.sort(key=lambda item: (-len(item[1].members), item[0]))
    return [_group(place, group) for place, group in rest[:_MOST_GROUPS]]


def _group(place: folding.Place, group: folding.Group) -> dict[str, Any]:
    states: dict[str, int] = {}
    for e in group.members:
        states[e.state] = states.get(e.state, 0) + 1
    attempts = [a for e in group.members for a in e.attempts]
    return {
        "parent_id": unpack_id(place.above) or None,
        "after": group.after(place),
        "task": place.task,
        "count": len(group.members),
        "states": dict(sorted(states.items())),
        "started_at": iso(min((a.started_us for a in attempts), default=0)),
        "ended_at": iso(max(e.ended_us for e in group.members)),
        "runtime_seconds": seconds(sum(max(a.runtime_us, 0) for a in attempts)),
        "p50_seconds": seconds(group.median_us()),
    }


def _planned(p: Pending) -> dict[str, Any]:
    return {
        "id": unpack_id(p.plan.id) or None,
        "task": p.plan.task,
        "queue": p.plan.queue or None,
        "after_id": unpack_id(p.plan.after) or None,
        "group_id": unpack_id(p.plan.group) or None,
        "body": bool(p.plan.body),
        "steps": max(p.plan.steps, 1),
        "state": p.standing.name,
    }


def _totals(t: Totals, known: int) -> dict[str, Any]:
    decided = t.succeeded + t.failed
    return {
        "known": known,
        "completed": t.completed,
        "succeeded": t.succeeded,
        "failed": t.failed,
        "attempts": t.attempts,
        "errors": t.errors,
        "retries": t.retries,
        "success_ratio": round(t.succeeded / decided, 4) if decided else None,
        "runtime_seconds": seconds(t.run_us),
        "step_average_seconds": seconds(round(t.run_us / t.ran)) if t.ran else None,
        "queue_wait_seconds": seconds(t.wait_us),
        "cpu_seconds": seconds(t.cpu_us),
        "memory_peak_bytes": t.rss_kib * 1024 if t.rss_kib else None,
        "read_bytes": t.read_bytes if t.read_bytes >= 0 else None,
        "written_bytes": t.write_bytes if t.write_bytes >= 0 else None,
        "spans": t.spans,
        "api_calls": t.api_calls,
        "waits": [
            {"wait": name, "count": w.count, "open": w.open, "seconds": seconds(w.us)} for name, w in t.waits.items()
        ][:_MOST_DETAILS],
        "tasks": _names(t.tasks),
        "workers": _names(t.workers),
        "queues": _names(t.queues),
    }


def _names(names: Names) -> dict[str, Any]:
    return {"count": names.count, "names": names.names}


def _measure(m: MeasureTotal) -> dict[str, Any]:
    values = {"sum": m.sum, "avg": m.sum / m.count, "min": m.least, "max": m.most, "last": m.last}
    return {"measure": m.name, "kind": m.kind, "unit": m.unit or None, "count": m.count} | {
        name: round(value, 6) for name, value in values.items()
    }


def span(s: Span) -> dict[str, Any]:
    """Return a span as the API shows it."""
    return {
        "id": unpack_id(s.id) or None,
        "uid": s.uid.hex() if any(s.uid) else None,
        "number": s.number,
        "parent": s.parent or None,
        "span": s.name,
        "kind": s.kind,
        "task": s.task or None,
        "worker": s.worker or None,
        "started_at": iso(s.at_us - s.duration_us),
        "ended_at": iso(s.at_us),
        "duration_seconds": seconds(s.duration_us),
        "state": "FAILURE" if s.failed else "SUCCESS",
        "exception": {"type": s.exception, "message": s.message or None} if s.exception else None,
        "api": s.api or None,
        "api_status": s.api_status or None,
        "api_seconds": seconds(s.api_us),
        "attributes": parsed(s.attributes),
    }


def wait(w: Wait, now_us: int) -> dict[str, Any]:
    """Return a wait as the API shows it; an open one lasts until now."""
    return {
        "wait": w.name,
        "state": "ended" if w.ended_us else "open",
        "run_id": text_of(w.run or fixed_id(w.id)) if w.run or w.id else None,
        "id": unpack_id(w.id) or None,
        "task": w.task or None,
        "workflow": w.workflow or None,
        "begun_at": iso(w.begun_us),
        "ended_at": iso(w.ended_us),
        "age_seconds": seconds(max((w.ended_us or now_us) - w.begun_us, 0)) if w.begun_us else None,
        "outcome": w.outcome or None,
        "ended_by": w.ended_by or None,
    }
