"""Failures by their fingerprint: how many of each kind, since when, in which tasks and on which workers.

Counts come from the rollups, so they are exact whatever is still stored of the executions; one failing execution of a
kind, where there is any, shows the traceback.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from celery_monitor.analytics.concentration import concentration
from celery_monitor.errors import BadRequest
from celery_monitor.live_state import AgentState
from celery_monitor.model import FAILED
from celery_monitor.query import charts, executions, paging
from celery_monitor.query.rollups import RollupReader, Rollups, Segment, Want
from celery_monitor.query.times import iso
from celery_monitor.query.window import Window
from celery_monitor.signals.record import State
from celery_monitor.store.connection import Store
from celery_monitor.store.rollups.tiers import ALL, FAILED_AT, FAILURES, OTHER, WORKERS

DEFAULT_LIMIT: Final = 100
_PLACES: Final = 20
"""Tasks and workers named beside a failure."""
Takes = Mapping[str, set[str]]
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(slots=True)
class Kind:
    """What is known of one fingerprint over a window.

    Attributes:
        points: bucket (s) to attempts that failed, and that will be made again.
        tasks: (task, queue) to attempts that failed; `workers` the same by hostname.
        tried_tasks, tried_workers: the same of attempts that were made again.
    """

    fingerprint: str
    exception: str = ""
    message: str = ""
    points: dict[int, list[int]] = field(default_factory=dict)
    tasks: dict[tuple[str, str], int] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    tried_tasks: dict[tuple[str, str], int] = field(default_factory=dict)
    tried_workers: dict[str, int] = field(default_factory=dict)
    _ends: dict[int, int] = field(default_factory=dict)

    def settle(self) -> None:
        """Let places of what never failed for good be those where it was made again."""
        if not any(self.tasks.values()):
            self.tasks = self.tried_tasks
        if not any(self.workers.values()):
            self.workers = self.tried_workers

    def add(self, segment: Segment, counts: Mapping[int, int]) -> None:
        """Add the counts of a bucket."""
        point = self.points.setdefault(segment.bucket, [0, 0])
        point[0] += _failed(counts)
        point[1] += counts.get(State.RETRY, 0)
        self._ends[segment.bucket] = segment.end

    @property
    def failed(self) -> int:
        """Attempts that failed."""
        return sum(point[0] for point in self.points.values())

    @property
    def retried(self) -> int:
        """Attempts that ended so and were made again."""
        return sum(point[1] for point in self.points.values())

    @property
    def seen(self) -> tuple[int, int]:
        """Start of the first and end of the last bucket (s) it is in; zeros for none."""
        found = [bucket for bucket, (failed, retried) in self.points.items() if failed > 0 or retried > 0]
        return (min(found), max(self._ends[bucket] for bucket in found)) if found else (0, 0)


class Kinds:
    """The failures of a window by fingerprint.

    Parameters:
        task: only those of this task name; `Kind.workers` are of all tasks, as the two are not crossed.
        takes: worker to the queues it takes from; others may take from any.
    """

    def __init__(
        self, reader: RollupReader, window: Window, task: str | None = None, takes: Takes | None = None
    ) -> None:
        fine = charts.steps_within(window.spark_s)
        what, where = (Want(part, window.start_s, window.end_s, fine) for part in (FAILURES, FAILED_AT))
        ends = [Want(part, window.start_s, window.end_s) for part in (WORKERS, ALL)]
        rollups = reader.read([what, where, *ends], window.now_us)
        self.window = window
        self._takes = takes or {}
        self.by_fingerprint: dict[str, Kind] = {}
        self.ended: dict[str, int] = {}
        self.failed = self.lost = 0
        self._read_kinds(rollups, what, timed=task is None)
        self._read_places(rollups, where, task)
        self._read_ends(rollups, *ends)

    def _read_kinds(self, rollups: Rollups, want: Want, *, timed: bool) -> None:
        for segment, (_, fingerprint, exception, message), counts in rollups.counts(want):
            kind = self._kind(fingerprint)
            kind.exception, kind.message = exception, message
            if timed:
                kind.add(segment, counts)

    def _read_places(self, rollups: Rollups, want: Want, task: str | None) -> None:
        for segment, series, counts in rollups.counts(want):
            kind = self._kind(series[-1])
            if series[0] == "failure_worker":
                _count(kind.workers, kind.tried_workers, series[1], counts)
                continue
            name, queue = series[1], series[2]
            if task is None or name == task:
                _count(kind.tasks, kind.tried_tasks, (name, queue), counts)
                if task is not None:
                    kind.add(segment, counts)
        for kind in self.by_fingerprint.values():
            kind.settle()

    def _read_ends(self, rollups: Rollups, workers: Want, everything: Want) -> None:
        for _, series, counts in rollups.counts(workers):
            self.ended[series[1]] = self.ended.get(series[1], 0) + sum(n for state, n in counts.items() if state)
        for _, _, counts in rollups.counts(everything):
            self.failed += _failed(counts)
            self.lost += counts.get(State.LOST, 0)

    def _kind(self, fingerprint: str) -> Kind:
        found = self.by_fingerprint.get(fingerprint)
        if found is None:
            found = self.by_fingerprint[fingerprint] = Kind(fingerprint)
        return found

    def rows(self) -> list[dict[str, Any]]:
        """Return a row for each kind that ended anything in the window, the most frequent first."""
        shown = [kind for kind in self.by_fingerprint.values() if kind.seen[1]]
        shown.sort(key=lambda kind: (-kind.failed, -kind.retried, kind.fingerprint))
        return [self.row(kind) for kind in shown]

    def row(self, kind: Kind) -> dict[str, Any]:
        """Return what the API says of a kind."""
        first, last = kind.seen
        stands_out = concentration(kind.workers, self._peers(kind))
        known = kind.fingerprint != OTHER
        return {
            "fingerprint": kind.fingerprint if known else None,
            "exception": kind.exception if known else None,
            "message": kind.message if known else None,
            "count": kind.failed,
            "retried": kind.retried,
            "first_at": iso(first * 1_000_000),
            "last_at": self.window.last_at(last),
            "spark": self._spark(kind),
            "tasks": [{"task": task, "queue": queue, "count": n} for (task, queue), n in _most(kind.tasks)],
            "workers": [
                {"worker": worker, "count": n, "ended": self.ended.get(worker, 0)} for worker, n in _most(kind.workers)
            ],
            "stands_out": stands_out and {"worker": stands_out.worker, "times": stands_out.times},
            "note": stands_out.text if stands_out else None,
        }

    def _peers(self, kind: Kind) -> dict[str, int]:
        """Return the ends on workers where a kind could happen: one that takes none of its queues never meets it."""
        queues = {queue for _, queue in kind.tasks}
        return {
            worker: n
            for worker, n in self.ended.items()
            if worker in kind.workers or worker not in self._takes or self._takes[worker] & queues
        }

    def _spark(self, kind: Kind) -> list[int]:
        points = [0] * self.window.sparks
        for bucket, (failed, retried) in kind.points.items():
            points[self.window.spark_slot(bucket)] += failed + retried
        return points


def taken(agents: Iterable[AgentState]) -> Takes:
    """Return the queues each worker takes from, as far as agents tell."""
    found: dict[str, set[str]] = {}
    for agent in agents:
        if agent.get("role") == "worker" and agent.get("queues"):
            found.setdefault(agent.get("hostname", ""), set()).update(agent["queues"])
    return found


def page(
    reader: RollupReader, window: Window, task: str | None, limit: int | str | None, takes: Takes | None = None
) -> dict[str, Any]:
    """Return the failures of a window by kind.

    Raises:
        BadRequest: the limit is no number.
        StoreError: the store does not answer.
    """
    kinds, most = Kinds(reader, window, task, takes), paging.limit(limit, DEFAULT_LIMIT)
    rows = kinds.rows()
    return {
        "failed": kinds.failed,
        "lost": kinds.lost,
        "grouped": sum(row["count"] for row in rows),
        "kinds": len(rows),
        "failures": rows[:most],
    }


def one(
    store: Store, reader: RollupReader, text: str, window: Window, takes: Takes | None = None
) -> dict[str, Any] | None:
    """Return one kind with its executions and a traceback, None when nothing is known of it.

    Raises:
        BadRequest: no fingerprint.
        StoreError: the store does not answer.
    """
    fingerprint = text.lower()
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise BadRequest("bad_fingerprint", f"fingerprint: {text[:40]!r} is none; give an attempt's, 16 hex digits")
    kinds = Kinds(reader, window, takes=takes)
    asked = executions.parse(fingerprint=fingerprint, **window.limits)
    found = executions.page(store, asked, window.now_us)
    kind = kinds.by_fingerprint.get(fingerprint, Kind(fingerprint))
    if not kind.seen[1] and not found["executions"]:
        return None
    sample = next(_samples(found["executions"], fingerprint), None)
    row = kinds.row(kind)
    if sample and not row["exception"]:
        row["exception"] = sample["type"]
    return row | {
        "queues": [{"queue": queue, "count": n} for queue, n in _most(_by_queue(kind))],
        "series": _series(kind, window),
        "sample": sample,
        "runs": _runs(found["executions"]),
        **found,
    }


def _samples(rows: list[dict[str, Any]], fingerprint: str) -> Iterator[dict[str, Any]]:
    """Yield the attempts with a fingerprint, the newest first."""
    for row in rows:
        for attempt in reversed(row["attempts"]):
            if attempt["fingerprint"] == fingerprint:
                yield {
                    "id": row["id"], "uid": attempt["uid"], "run_id": row["run_id"], "task": row["task"],
                    "worker": attempt["worker"], "ended_at": attempt["ended_at"], **attempt["exception"],
                }  # fmt: skip


def _runs(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the runs of workflows that executions belong to."""
    found = {row["run_id"]: row["workflow"] for row in rows if row["workflow"]}
    return [{"run_id": run, "workflow": workflow} for run, workflow in found.items()]


def _by_queue(kind: Kind) -> dict[str, int]:
    queues: dict[str, int] = {}
    for (_, queue), n in kind.tasks.items():
        queues[queue] = queues.get(queue, 0) + n
    return queues


def _series(kind: Kind, window: Window) -> dict[str, list[int]]:
    """Return attempts that failed and that were made again, for each point of the small chart."""
    times = [
        max(window.start_s, (window.start_s // window.spark_s + at) * window.spark_s) for at in range(window.sparks)
    ]
    failed, retried = [0] * window.sparks, [0] * window.sparks
    for bucket, point in kind.points.items():
        failed[window.spark_slot(bucket)] += point[0]
        retried[window.spark_slot(bucket)] += point[1]
    return {"t": times, "failed": failed, "retried": retried}


def _most(counts: dict[Any, int]) -> list[tuple[Any, int]]:
    ordered = sorted(((key, n) for key, n in counts.items() if n > 0), key=lambda item: (-item[1], item[0]))
    return ordered[:_PLACES]


def _count(failed: dict[Any, int], tried: dict[Any, int], place: Any, counts: Mapping[int, int]) -> None:
    failed[place] = failed.get(place, 0) + _failed(counts)
    tried[place] = tried.get(place, 0) + counts.get(State.RETRY, 0)


def _failed(counts: Mapping[int, int]) -> int:
    return sum(n for state, n in counts.items() if state in FAILED)
