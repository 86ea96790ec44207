"""Runs as the JSON API lists them: those stored when they were over, and those that are active now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from typing import Any, Final, NamedTuple

from celery_monitor.analytics.judged import Judged, Rows, row, text_of
from celery_monitor.analytics.runs import judge
from celery_monitor.details import Run, RunState
from celery_monitor.errors import BadRequest
from celery_monitor.live_state import Running
from celery_monitor.query import live, paging, rows
from celery_monitor.query.rows import Blocks, Candidate
from celery_monitor.query.times import iso, seconds
from celery_monitor.signals import labels as label_text
from celery_monitor.signals.record import fixed_id
from celery_monitor.store import live as live_table
from celery_monitor.store.connection import Store
from celery_monitor.store.encoding.blob import Blob
from celery_monitor.store.rows import runs as active_runs
from celery_monitor.store.rows import waits
from celery_monitor.store.rows.blocks import Info

_SEARCHED: Final = 5_000
"""Runs looked at for one page: a filter that almost nothing matches ends with a cursor to go on from."""
_UNSETTLED: Final = frozenset({RunState.RUNNING, RunState.STUCK})


@dataclass(frozen=True, slots=True)
class Filters:
    """What is asked for; None means any.

    Attributes:
        label: key and value that the run's labels hold.
        before: only what was last heard of earlier (time in us, tie), where the last page ended.
    """

    workflow: str | None = None
    state: RunState | None = None
    label: tuple[str, str] | None = None
    worker: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    limit: int = paging.DEFAULT_LIMIT
    before: tuple[int, bytes] | None = None

    def admit(self, at_us: int, tie: bytes) -> bool:
        """Tell whether a place in time is asked for."""
        if self.before is not None and (at_us, tie) >= self.before:
            return False
        if self.since_us is not None and at_us < self.since_us:
            return False
        return self.until_us is None or at_us <= self.until_us

    def match(self, run: Run) -> bool:
        """Tell whether a run is what is asked for, wherever it stands in time."""
        if self.workflow is not None and run.workflow != self.workflow:
            return False
        if self.state is not None and run.state != self.state:
            return False
        if self.worker is not None and self.worker not in run.workers.split("\n"):
            return False
        return self.label is None or label_text.read(run.labels).get(self.label[0]) == self.label[1]


class Place(NamedTuple):
    """Where a run stands, and whether it is active; active ones stand at their last news, others at their end."""

    at_us: int
    tie: bytes
    active: bool


def parse(
    *,
    workflow: str | None = None,
    state: str | None = None,
    label: str | None = None,
    worker: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int | str | None = None,
    cursor: str | None = None,
) -> Filters:
    """Return filters from what a face was given.

    Raises:
        BadRequest: not of the accepted form.
    """
    named = paging.one_of("state", state, list(RunState.__members__))
    return Filters(
        workflow=workflow or None,
        state=RunState[named] if named else None,
        label=_label(label) if label else None,
        worker=worker or None,
        **paging.bounds(since, until, limit, cursor),
    )


def judged(store: Store, runs: Sequence[bytes], now_us: int, blocks_: Blocks | None = None) -> dict[bytes, Judged]:
    """Return what runs (16 bytes each) come to; those of which nothing is known are left out.

    Many runs at once cost little more than their rows: every block is read once.

    Raises:
        StoreError: the store does not answer.
    """
    return {run: judge(known, now_us) for run, known in recorded(store, runs, now_us, blocks_).items()}


def recorded(store: Store, runs: Sequence[bytes], now_us: int, blocks_: Blocks | None = None) -> dict[bytes, Rows]:
    """Return the rows that `judged` judges.

    Raises:
        StoreError: the store does not answer.
    """
    found = (blocks_ or Blocks(store, rows.tail(store, now_us))).by_runs(runs)
    for running in _running(store, now_us):
        run = live.run_of(running)
        if run in found:
            found[run].running.append(running)
    for wait in waits.open_waits(store):
        run = wait.run or fixed_id(wait.id)
        if run in found:
            found[run].waits.append(wait)
    return {run: known for run, known in found.items() if known or known.runs}


def page(store: Store, filters: Filters, now_us: int) -> dict[str, Any]:
    """Return a page of runs and the cursor of the next.

    Raises:
        StoreError: the store does not answer.
    """
    stored = Blocks(store, rows.tail(store, now_us))
    active = {run: min(at_us, now_us) for run, at_us in active_runs.active(store)}
    out: list[dict[str, Any]] = []
    taken: set[bytes] = set()
    last: Place | None = None
    looked = 0
    for chunk in _chunks(_places(store, stored, active, filters), 2 * filters.limit):
        known = _known(store, stored, chunk, now_us)
        for place in chunk:
            run = known.get(place)
            if run is None or run.run in taken or not filters.match(run):
                continue
            if len(out) == filters.limit:
                return {"runs": out, "next": paging.cursor(last)}
            out.append(shown(run))
            taken.add(run.run)
            last = place
        looked += len(chunk)
        if looked >= _SEARCHED:
            return {"runs": out, "next": paging.cursor(chunk[-1])}
    return {"runs": out, "next": None}


def shown(run: Run) -> dict[str, Any]:
    """Return a run as a row of the API."""
    labels = label_text.read(run.labels)
    continues = labels.pop(label_text.CONTINUES, None)
    done = run.state not in _UNSETTLED
    return {
        "id": text_of(run.run),
        "workflow": run.workflow or None,
        "root_task": run.root_task or None,
        "state": RunState(run.state).name,
        "progress": round(run.completed / run.known, 4) if run.known else None,
        "published_at": iso(run.published_us),
        "started_at": iso(run.started_us),
        "ended_at": iso(run.at_us) if done else None,
        "duration_seconds": seconds(run.duration_us),
        "turnaround_seconds": seconds(run.turnaround_us),
        "known": run.known,
        "completed": run.completed,
        "failed": run.failed,
        "errors": run.errors,
        "retries": run.retries,
        "queue_wait_seconds": seconds(run.wait_us),
        "cpu_seconds": seconds(run.cpu_us),
        "memory_peak_bytes": run.rss_kib * 1024 if run.rss_kib else None,
        "span_count": run.spans,
        "bottleneck": bottleneck(run.bottleneck, run.bottleneck_us, run.duration_us),
        "labels": labels,
        "continues_run_id": continues,
        "revision": run.revision,
        "sampled": round(1 / abs(run.one_in), 6) if abs(run.one_in) > 1 else None,
        "partial_run": run.one_in < 0,
        "tasks": _names(run.tasks),
        "workers": _names(run.workers),
        "queues": _names(run.queues),
    }


def bottleneck(step: str, us: int, duration_us: int) -> dict[str, Any] | None:
    """Return the step that took most of a run's path, None when nothing ran."""
    if not step:
        return None
    share = round(min(us / duration_us, 1.0) * 100, 2) if duration_us > 0 else None
    return {"step": step, "duration_seconds": seconds(us), "percentage_of_total": share}


def _places(store: Store, stored: Blocks, active: dict[bytes, int], filters: Filters) -> Iterator[Place]:
    """Yield, newest first, the runs that may be meant; those that were over and are active again stand there once."""
    if filters.label is not None and filters.label[0] in store.identity_labels:
        mine = {told.run or fixed_id(told.id) for told in stored.labelled(*filters.label)}
        ended = stored.by_runs(sorted(mine - active.keys()), ("runs",))
        places = [Place(active[run], run, active=True) for run in mine & active.keys()]
        places += [Place(r.at_us, run, active=False) for run, known in ended.items() for r in known.runs]
        yield from (p for p in sorted(places, reverse=True) if filters.admit(p.at_us, p.tie))
        return
    running = sorted((Place(at_us, run, active=True) for run, at_us in active.items()), reverse=True)
    over: Iterator[Place] = iter(())
    if filters.state not in _UNSETTLED:
        over = (
            Place(c.at_us, c.id, active=False)
            for c in stored.newest_first(lambda blob: _matches(blob, filters), lambda info: _worth(info, filters))
            if c.id not in active
        )
    yield from (p for p in merge(running, over, reverse=True) if filters.admit(p.at_us, p.tie))


def _matches(blob: Blob, filters: Filters) -> Iterable[Candidate]:
    if not blob.rows("runs"):
        return
    keep: Iterable[int] = range(blob.rows("runs"))
    for name, value in (("workflow", filters.workflow), ("state", filters.state)):
        if value is not None:
            column = blob.column("runs", name)
            keep = [at for at in keep if column[at] == value]
    times, runs = blob.column("runs", "at_us"), blob.column("runs", "run")
    yield from (Candidate(times[at], runs[at], runs[at]) for at in keep)


def _worth(info: Info, filters: Filters) -> bool:
    if filters.since_us is not None and info.newest_us < filters.since_us:
        return False
    if filters.until_us is not None and info.oldest_us > filters.until_us:
        return False
    return filters.before is None or info.oldest_us <= filters.before[0]


def _known(store: Store, stored: Blocks, chunk: list[Place], now_us: int) -> dict[Place, Run]:
    """Return the run of each place; a row that a later one of the same run has replaced stands nowhere."""
    found: dict[Place, Run] = {}
    open_ = [p.tie for p in chunk if p.active]
    told = judged(store, open_, now_us, stored) if open_ else {}
    over = stored.by_runs([p.tie for p in chunk if not p.active], ("runs",))
    for place in chunk:
        if place.active:
            if place.tie in told:
                found[place] = row(told[place.tie])
            continue
        newest = max(over[place.tie].runs, key=lambda r: (r.revision, r.at_us), default=None)
        if newest is not None and newest.at_us == place.at_us:
            found[place] = newest
    return found


def _chunks(places: Iterator[Place], size: int) -> Iterator[list[Place]]:
    chunk: list[Place] = []
    for place in places:
        chunk.append(place)
        if len(chunk) > size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _running(store: Store, now_us: int) -> list[Running]:
    agents = live.alive(live_table.agents(store), now_us)
    return [r for agent in agents for r in agent.get("running") or ()]


def _label(text: str) -> tuple[str, str]:
    key, colon, value = text.partition(":")
    if not colon or not label_text.KEY.fullmatch(key):
        raise BadRequest("bad_label", f"label: {text[:60]!r} is none; give key:value, like user:u1")
    return key, label_text.known_as(key, value)


def _names(text: str) -> list[str]:
    return text.split("\n") if text else []
