"""Everything that is known of one label: when it was seen, its runs, how they ended, and the tasks they used."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from celery_monitor.analytics.judged import row
from celery_monitor.details import Run, RunState
from celery_monitor.errors import BadRequest
from celery_monitor.query import paging, rows, runs
from celery_monitor.query.rows import Blocks
from celery_monitor.query.times import iso
from celery_monitor.signals import labels as label_text
from celery_monitor.signals.record import fixed_id
from celery_monitor.store.connection import Store
from celery_monitor.store.rows import runs as active_runs

MOST_RUNS: Final = 1000
"""Runs looked at, the newest ones: outcomes and tasks are theirs."""
_MOST_TASKS: Final = 200


def one(store: Store, key: str, value: str, limit: int | str | None, now_us: int) -> dict[str, Any] | None:
    """Return what is known of a label, None when nothing is.

    Raises:
        BadRequest: values of this key are not indexed.
        StoreError: the store does not answer.
    """
    if key not in store.identity_labels:
        known = ", ".join(sorted(store.identity_labels)) or "none"
        said = f"{key[:40]}: runs are not found by this label; monitor_identity_labels has {known}"
        raise BadRequest("bad_label", said)
    most = paging.limit(limit)
    stored = Blocks(store, rows.tail(store, now_us))
    told = stored.labelled(key, label_text.known_as(key, value))
    if not told:
        return None
    newest: dict[bytes, int] = {}
    for each in told:
        run = each.run or fixed_id(each.id)
        newest[run] = max(newest.get(run, 0), each.at_us)
    chosen = sorted(newest, key=lambda run: (newest[run], run), reverse=True)[:MOST_RUNS]
    found = _runs(store, stored, chosen, now_us)
    tasks = Counter(task for run in found for task in run.tasks.split("\n") if task)
    return {
        "key": key,
        "value": value,
        "first_at": iso(min(each.at_us for each in told)),
        "last_at": iso(max([each.at_us for each in told] + [run.at_us for run in found])),
        "run_count": len(newest),
        "execution_count": len({each.id for each in told if each.id}),
        "outcomes": _outcomes(found),
        "tasks": [{"task": task, "runs": n} for task, n in tasks.most_common(_MOST_TASKS)],
        "runs": [runs.shown(run) for run in found[:most]],
        "complete": len(newest) <= MOST_RUNS,
    }


def _runs(store: Store, stored: Blocks, ids: list[bytes], now_us: int) -> list[Run]:
    """Return the runs, the newest first: as stored when they were over, judged now when they are not."""
    active = {run for run, _ in active_runs.active(store)}
    over = stored.by_runs([run for run in ids if run not in active], ("runs",))
    newest = {run: max(known.runs, key=lambda r: (r.revision, r.at_us)) for run, known in over.items() if known.runs}
    open_ = [run for run in ids if run not in newest]
    judged = runs.judged(store, open_, now_us, stored) if open_ else {}
    found = [*newest.values(), *(row(run) for run in judged.values())]
    return sorted(found, key=lambda run: (run.at_us, run.run), reverse=True)


def _outcomes(found: list[Run]) -> dict[str, int]:
    counts = Counter(RunState(run.state).name for run in found)
    return {state.name: counts[state.name] for state in RunState if counts[state.name]}
