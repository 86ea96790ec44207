"""Any quantile of any series over any window."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from celery_monitor.errors import BadRequest
from celery_monitor.model import Series
from celery_monitor.query import charts
from celery_monitor.query.rollups import RollupReader, Want
from celery_monitor.query.window import Window
from celery_monitor.sketch import Sketch
from celery_monitor.store.encoding import dumps
from celery_monitor.store.rollups.tiers import ALL, INSIDES, LABELS, TASKS, WORKERS, WORKFLOWS

MEASURES: Final = dumps.SKETCHES
MOST: Final = 20
"""Quantiles asked for at once."""
_FORM: Final = (
    "all, task:NAME, task:NAME@QUEUE, queue:NAME, worker:NAME, workflow:NAME, step:WORKFLOW@TASK, span:NAME, "
    "span:NAME@KIND, wait:NAME, measure:NAME or label:KEY=VALUE"
)


class _Kind(NamedTuple):
    """Where a kind of series lies, and which of its items name it: the first one always, the second if it is given."""

    part: str
    first: int
    second: int = 0
    mark: str = "@"


_KINDS: Final = {
    "task": _Kind(TASKS, 1, 2),
    "queue": _Kind(TASKS, 2),
    "worker": _Kind(WORKERS, 1),
    "workflow": _Kind(WORKFLOWS, 1),
    "step": _Kind(WORKFLOWS, 1, 2),
    "span": _Kind(INSIDES, 1, 2),
    "wait": _Kind(INSIDES, 1),
    "measure": _Kind(INSIDES, 1),
    "label": _Kind(LABELS, 1, 2, "="),
}


class Asked(NamedTuple):
    """What a text names.

    Attributes:
        kind: first item of its series.
        names: (place in a series, name there), all of which must be so.
    """

    text: str
    part: str
    kind: str
    names: tuple[tuple[int, str], ...]

    def means(self, series: Series) -> bool:
        """Return whether a series is meant."""
        return series[0] == self.kind and all(len(series) > at and series[at] == name for at, name in self.names)


def series(text: str) -> Asked:
    """Return what is meant by ``task:shop.charge``.

    Raises:
        BadRequest: not of that form.

    >>> series("task:shop.charge@payments").names, series("queue:payments").names
    (((1, 'shop.charge'), (2, 'payments')), ((2, 'payments'),))
    """
    kind, _, name = text.partition(":")
    if text == "all":
        return Asked(text, ALL, "all", ())
    if kind not in _KINDS or not name:
        raise BadRequest("bad_series", f"series: {text[:80]!r} names none; give {_FORM}")
    of = _KINDS[kind]
    first, mark, second = name.rpartition(of.mark) if of.second else ("", "", "")
    if kind in {"step", "label"} and not (first and second):
        raise BadRequest("bad_series", f"series: {text[:80]!r} names half of one; give {_FORM}")
    names = ((of.first, first), (of.second, second)) if mark and first else ((of.first, name),)
    return Asked(text, of.part, "task" if kind == "queue" else kind, names)


def ratios(text: str) -> list[float]:
    """Return the quantiles in a list with commas, ascending.

    Raises:
        BadRequest: not numbers from 0 to 1, or too many.
    """
    try:
        found = sorted({float(one) for one in text.split(",")})
    except ValueError:
        found = []
    if not 0 < len(found) <= MOST or not all(0.0 <= q <= 1.0 for q in found):
        raise BadRequest(
            "bad_q", f"q: {text[:80]!r}; give 1 to {MOST} numbers from 0 to 1 with commas between, like 0.5,0.95"
        )
    return found


def answer(reader: RollupReader, text: str, measure: str, q: str, window: Window) -> dict[str, Any]:
    """Return quantiles with count, sum, average and extremes.

    Raises:
        BadRequest: something is not of the accepted form.
        StoreError: the store does not answer.
    """
    asked, wanted = series(text), ratios(q)
    if measure not in MEASURES:
        raise BadRequest("bad_measure", f"measure: {measure[:40]!r} is none; give one of {', '.join(MEASURES)}")
    whole = Want(asked.part, window.start_s, window.end_s)
    fine = Want(asked.part, window.start_s, window.end_s, charts.steps_within(window.spark_s))
    rollups = reader.read([whole, fine], window.now_us)
    sketch, last = Sketch(), 0
    for cell in rollups.total(whole, (measure,), asked.means).values():
        sketch.merge(getattr(cell, measure))
    for segment, one, counts in rollups.counts(fine):
        if segment.end > last and asked.means(one) and any(n for state, n in counts.items() if state):
            last = segment.end
    return {
        "series": text,
        "measure": measure,
        **_figures(sketch, wanted, 1024 if measure == "memory" else 1e-6),
        "unit": "bytes" if measure == "memory" else _unit(asked),
        "last_at": window.last_at(last),
    }


def _figures(sketch: Sketch, wanted: list[float], unit: float) -> dict[str, Any]:
    known = sketch.count > 0
    values = {
        "sum": sketch.total if known else 0,
        "avg": sketch.total / sketch.count if known else None,
        "min": sketch.least if known else None,
        "max": sketch.most if known else None,
    }
    found = {f"{q:g}": value for q, value in zip(wanted, sketch.quantiles(wanted), strict=True)}
    return {
        "count": sketch.count,
        **{name: _in(value, unit) for name, value in values.items()},
        "quantiles": {name: _in(value, unit) for name, value in found.items()},
    }


def _in(value: float | None, unit: float) -> float | None:
    return None if value is None else round(value * unit, 6)


def _unit(asked: Asked) -> str:
    """Return the unit of durations; a measure's values are in a unit of its own."""
    return "its own" if asked.kind == "measure" else "seconds"
