"""The summary: everything the overview shows of one window, read as of one moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from celery_monitor.alerts import ledger
from celery_monitor.alerts.rules import DEFAULTS
from celery_monitor.analytics.figures import compared, counts, figures
from celery_monitor.model import Cell, Series
from celery_monitor.query import charts, health, live, schedule, tables, waits
from celery_monitor.query.health import Facts
from celery_monitor.query.rollups import RollupReader, Rollups, Want
from celery_monitor.query.times import iso
from celery_monitor.query.window import Window
from celery_monitor.store import broker
from celery_monitor.store.broker import Look
from celery_monitor.store.connection import Store
from celery_monitor.store.rollups.lifetime import Lifetime
from celery_monitor.store.rollups.tiers import ALL

_TOTALS: Final = (
    "published", "ended", "succeeded", "failed", "retried", "revoked", "lost", "other", "success_ratio",
    "rate_per_second", "runtime_seconds", "wait_seconds", "cpu_seconds",
)  # fmt: skip
_LIFETIME: Final = ("published", "ended", "succeeded", "failed", "retried", "revoked", "lost")


def build(store: Store, reader: RollupReader, window: Window) -> dict[str, Any]:
    """Return the summary, as docs/api.md describes it.

    Raises:
        StoreError: the store does not answer.
    """
    before = Want(ALL, window.before_s, window.start_s)
    table_wants = tables.wants(window)
    rollups = reader.read([*charts.wants(window), *table_wants, before], window.now_us, lifetime=True)
    totals = rollups.lifetime()
    window = window.recorded_from(totals.since_us)
    facts = health.read(store, window.now_us)
    alerts, look = ledger.read(store), broker.load(store)
    firing = ledger.firing(alerts)
    cells = rollups.total(table_wants[0], tables.SKETCHES)
    health_row = health.row(facts, window.now_us, tail_truncated=rollups.truncated)
    state, reasons = overall(alerts, facts, look, window.now_us, empty=not totals.since_us)
    return {
        "namespace": store.namespace,
        "generated_at": iso(window.now_us),
        "window": {
            "seconds": window.seconds,
            "step_seconds": window.step_s,
            "start": iso(window.start_s * 1_000_000),
            "end": iso(window.at_us),
            "clamped": window.clamped,
        },
        "state": state,
        "reasons": reasons,
        "checks": _checks(alerts, facts, window.now_us),
        "totals": _totals(cells, window, facts),
        "compare": _compare(rollups, before, window.before_span_s),
        "lifetime": _lifetime(totals),
        "series": charts.series(rollups, window),
        "tasks": tables.tasks(rollups, window, cells),
        "queues": tables.queues(rollups, window, cells, facts.agents, firing, look),
        "workers": tables.workers(rollups, window, facts.agents, firing),
        "workflows": tables.workflows(rollups.total(table_wants[1], ("runtime",)), window),
        "runs": {"active": facts.open_runs * facts.one_in},
        "waits": {"open": len(waits.pending(store, window.now_us))},
        "schedules": schedule.summed(store, facts.agents, window.now_us),
        "alerts": alerts,
        "health": health_row,
    }


def overall(
    alerts: Sequence[Mapping[str, Any]],
    facts: Facts,
    look: Look,
    now_us: int,
    *,
    empty: bool,
) -> tuple[str, list[dict[str, Any]]]:
    """Return the state of the whole and its reasons, worst first."""
    reasons = [
        {"state": a["severity"], "text": a["text"], "rule": a["rule"], "subject": a["subject"]}
        for a in alerts
        if a["state"] == "firing"
    ]
    reasons.sort(key=lambda r: r["state"] != "critical")
    if empty and not live.workers(facts.agents):
        return "empty", reasons  # a Flower or a beat that reports has recorded nothing either
    if facts.stale(now_us):
        lag = facts.lag_s(now_us)
        text = f"nothing was folded for {lag:.0f} s" if lag is not None else "nothing was ever folded"
        reasons.insert(0, _reason("stale", text + ": no beat, worker or serve process ticks"))
        return "stale", reasons
    if not facts.room.takes_executions:
        reasons.append(_reason("warning", f"the server's memory is {facts.room.ratio:.0%} used"))
    broken = facts.undecodable(now_us)
    if broken:
        reasons.append(_reason("warning", f"{broken} {'entry' if broken == 1 else 'entries'} could not be decoded"))
    unreadable = broker.unreadable(look, now_us)
    if unreadable:
        reasons.append(_reason("warning", f"{unreadable}: what waits in the queues is not known"))
    states = {r["state"] for r in reasons}
    return next((s for s in ("critical", "warning") if s in states), "ok"), reasons


def _reason(state: str, text: str) -> dict[str, Any]:
    return {"state": state, "text": text, "rule": None, "subject": None}


def _checks(alerts: Sequence[Mapping[str, Any]], facts: Facts, now_us: int) -> dict[str, int]:
    """Return how many of the things that are looked at are as they should be."""
    firing = {a["rule"] for a in alerts if a["state"] == "firing"}
    outcomes = [rule not in firing for rule in {*DEFAULTS, *firing}]
    kept = not facts.dropped(now_us) and not facts.undecodable(now_us)
    outcomes += [not facts.stale(now_us), kept, facts.room.takes_executions]
    return {"ok": sum(outcomes), "total": len(outcomes)}


def _totals(cells: Mapping[Series, Cell], window: Window, facts: Facts) -> dict[str, Any]:
    everything = Cell()
    for cell in cells.values():
        everything.merge(cell)
    all_figures = figures(everything, window.span_s)
    running = sum(len(a.get("running") or ()) for a in live.alive(facts.agents, window.now_us))
    return {name: all_figures[name] for name in _TOTALS} | {"running": running}


def _compare(rollups: Rollups, before: Want, seconds: float) -> dict[str, Any] | None:
    """Return the figures of the period before, None when nothing is known of it."""
    cells = list(rollups.total(before, ("runtime", "wait")).values())
    if not cells:
        return None
    return compared(cells[0], seconds)


def _lifetime(totals: Lifetime) -> dict[str, Any]:
    everything = Cell()
    for cell in totals.loaded().values():
        everything.merge(cell)
    n = counts(everything)
    return {name: n[name] for name in _LIFETIME} | {"since": iso(totals.since_us)}
