"""The figures of one cell, named as in the JSON API: counts by outcome, rate, success ratio, percentiles."""

from __future__ import annotations

from typing import Any, Final

from celery_monitor.model import FAILED, Cell
from celery_monitor.signals.record import State
from celery_monitor.sketch import Sketch

_NAMED: Final = FAILED | {State.SUCCESS, State.RETRY, State.REVOKED, State.LOST}
_DIGITS: Final = 6  # microseconds are what was measured; further digits would be the float's own


def figures(cell: Cell, seconds: float) -> dict[str, Any]:
    """Return every number field that docs/api.md gives to totals, tasks, queues and steps.

    Parameters:
        cell: what was added up over the window.
        seconds: length of the window; rates are ends per second of it.

    Returns:
        `published` … `other`, `success_ratio`, `rate_per_second`, `runtime_seconds`, `wait_seconds`,
        `cpu_seconds`, `memory_peak_bytes`, `errors`. Unknown is None, never 0.

    >>> cell = Cell()
    >>> cell.counts = {0: 5, State.SUCCESS: 3, State.FAILURE: 1, State.RETRY: 2, State.LOST: 1, 6: 1}
    >>> f = figures(cell, 4.0)
    >>> f["published"], f["ended"], f["succeeded"], f["failed"], f["retried"], f["lost"], f["other"]
    (5, 8, 3, 1, 2, 1, 1)
    >>> f["success_ratio"], f["rate_per_second"], f["runtime_seconds"]["p95"], f["memory_peak_bytes"]
    (0.6, 2.0, None, None)
    """
    out: dict[str, Any] = dict(counts(cell))
    out["success_ratio"] = success_ratio(cell)
    out["rate_per_second"] = round(cell.ended / seconds, _DIGITS) if seconds > 0 else None
    out["runtime_seconds"] = durations(cell.runtime)
    out["wait_seconds"] = durations(cell.wait)
    out["cpu_seconds"] = durations(cell.cpu)
    out["memory_peak_bytes"] = cell.memory.most * 1024 if cell.memory.count > 0 else None
    out["errors"] = dict(sorted(cell.errors.items(), key=lambda item: (-item[1], item[0])))
    return out


def counts(cell: Cell) -> dict[str, int]:
    """Return messages published and ends by outcome; the outcomes add up to `ended`.

    >>> cell = Cell(); cell.counts = {0: 9, State.SUCCESS: 4, State.EXPIRED: 1, State.REPLACED: 2}
    >>> list(counts(cell).items())[:4]
    [('published', 9), ('ended', 7), ('succeeded', 4), ('failed', 1)]
    """
    by_state = cell.counts
    return {
        "published": cell.published,
        "ended": cell.ended,
        "succeeded": by_state.get(State.SUCCESS, 0),
        "failed": _sum(cell, FAILED),
        "retried": by_state.get(State.RETRY, 0),
        "revoked": by_state.get(State.REVOKED, 0),
        "lost": by_state.get(State.LOST, 0),
        "other": cell.ended - _sum(cell, _NAMED),
    }


def success_ratio(cell: Cell) -> float | None:
    """Return succeeded / (succeeded + failed + lost), None when nothing of these ended.

    Retries are left out: an attempt that will be made again has decided nothing yet.
    """
    succeeded = cell.counts.get(State.SUCCESS, 0)
    decided = succeeded + _sum(cell, FAILED) + cell.counts.get(State.LOST, 0)
    return round(succeeded / decided, _DIGITS) if decided > 0 else None


def durations(sketch: Sketch) -> dict[str, Any]:
    """Return count, average, extremes, p50, p95, p99 and total of a sketch of microseconds, in seconds.

    >>> s = Sketch(); s.add(2_000_000); s.add(4_000_000)
    >>> d = durations(s); d["count"], d["avg"], d["min"], d["max"], d["total"]
    (2, 3.0, 2.0, 4.0, 6.0)
    >>> durations(Sketch())["p50"] is None
    True
    """
    known = sketch.count > 0
    p50, p95, p99 = sketch.quantiles((0.5, 0.95, 0.99))
    return {
        "count": sketch.count,
        "avg": _seconds(sketch.total / sketch.count) if known else None,
        "min": _seconds(sketch.least) if known else None,
        "max": _seconds(sketch.most) if known else None,
        "p50": _seconds(p50),
        "p95": _seconds(p95),
        "p99": _seconds(p99),
        "total": _seconds(sketch.total),
    }


def sizes(sketch: Sketch) -> dict[str, Any]:
    """Return count, average, extremes, p50, p95 and p99 of a sketch of KiB, in bytes.

    >>> s = Sketch(); s.add(100); s.add(300)
    >>> sizes(s)["max"], sizes(s)["avg"], sizes(Sketch())["max"]
    (307200, 204800, None)
    """
    known = sketch.count > 0
    values: dict[str, float | None] = {}
    if known:
        values = {"avg": sketch.total / sketch.count, "min": sketch.least, "max": sketch.most}
    values |= dict(zip(("p50", "p95", "p99"), sketch.quantiles((0.5, 0.95, 0.99)), strict=True))
    out: dict[str, Any] = {"count": sketch.count}
    for name in ("avg", "min", "max", "p50", "p95", "p99"):
        kib = values.get(name)
        out[name] = None if kib is None else round(kib * 1024)
    return out


def compared(cell: Cell, seconds: float) -> dict[str, Any]:
    """Return the few figures of a period that another one is held against."""
    was = figures(cell, seconds)
    return {
        "ended": was["ended"],
        "failed": was["failed"],
        "success_ratio": was["success_ratio"],
        "rate_per_second": was["rate_per_second"],
        "runtime_p95_seconds": was["runtime_seconds"]["p95"],
        "wait_p95_seconds": was["wait_seconds"]["p95"],
    }


def _seconds(us: float | None) -> float | None:
    return None if us is None else round(us / 1e6, _DIGITS)


def _sum(cell: Cell, states: frozenset[State]) -> int:
    return sum(n for state, n in cell.counts.items() if state in states)
