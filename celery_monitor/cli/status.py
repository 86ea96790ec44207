"""The overview as text: the words, units and order of the page, in a hundred columns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, Final

from celery_monitor.cli import wording
from celery_monitor.cli.table import cut, table

Style = Callable[[str, str], str]
"""Gives a text the colour of a state; the identity where there are no colours."""

MARKS: Final = {
    "ok": "●",
    "warning": "▲",
    "critical": "■",
    "stale": "○",
    "empty": "○",
    "lost": "■",
    "stopped": "○",
}
_TITLES: Final = {
    "ok": "All well",
    "warning": "Warning",
    "critical": "Critical",
    "stale": "Stale: nothing was folded for a while",
    "empty": "Nothing recorded yet",
}
_MOST_ROWS: Final = 15
_SPARK: Final = 40
_LEAST_WIDTH: Final = 40


def render(summary: Mapping[str, Any], style: Style, width: int = 100) -> str:
    """Return the overview of a summary (docs/api.md) as text, no line longer than `width`, which is at least 40."""
    width = max(width, _LEAST_WIDTH)
    blocks = [
        list(_head(summary, style, width)),
        list(_figures(summary, style, width)),
        list(_tasks(summary["tasks"], width)),
        list(_queues(summary["queues"], style, width)),
        list(_workers(summary["workers"], style, width)),
        list(_workflows(summary["workflows"], width)),
        list(_notes(summary, width)),
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _head(summary: Mapping[str, Any], style: Style, width: int) -> Iterator[str]:
    state, checks = summary["state"], summary["checks"]
    left = f"{MARKS.get(state, '○')} {_TITLES.get(state, state)}"
    facts = [summary["namespace"], "last " + _window(summary["window"]["seconds"])]
    if checks["total"]:
        facts.insert(0, f"{checks['ok']} of {checks['total']} checks ok")
    right = "   ".join(facts)
    pad = " " * max(3, width - len(left) - len(right))
    yield style(left, state) + pad + cut(right, width - len(left) - 3)
    for reason in summary["reasons"]:
        mark = MARKS.get(reason["state"], "○")
        yield style(cut(f"  {mark} {reason['text']}", width), reason["state"])
    if state == "empty":
        yield "  Start a worker of an app that has `Monitor(app)`, send a task, and look again."


def _figures(summary: Mapping[str, Any], style: Style, width: int) -> Iterator[str]:
    """Yield the five figures with their change against the period before and their course."""
    totals, before, series = summary["totals"], summary["compare"] or {}, summary["series"]
    if summary["state"] == "empty":
        return
    ratio, past = totals["success_ratio"], before.get("success_ratio")
    errors, errors_before = (None if r is None else 1 - r for r in (ratio, past))
    ends = [_added(row) for row in zip(*(series[k] for k in ("succeeded", "failed", "retried", "other")), strict=True)]
    p95, wait = totals["runtime_seconds"]["p95"], totals["wait_seconds"]["p95"]
    alive = [w for w in summary["workers"] if w["state"] in ("ok", "warning")]
    slots, busy = (sum(w[name] or 0 for w in alive) for name in ("slots", "busy"))
    rows = (
        (
            "Traffic",
            wording.rate(totals["rate_per_second"]),
            _versus(totals, before, "rate_per_second"),
            ends,
        ),
        ("Errors", wording.percent(errors), wording.points(errors, errors_before), series["failed"]),
        (
            "Latency p95",
            wording.duration(p95),
            _moved(p95, before, "runtime_p95_seconds"),
            series["runtime_p95"],
        ),
        ("Wait p95", wording.duration(wait), _moved(wait, before, "wait_p95_seconds"), series["wait_p95"]),
        ("Saturation", _saturation(busy, slots), "", series["busy_ratio"]),
    )
    for title, value, moved, course in rows:
        bars = wording.spark(course, min(_SPARK, max(0, width - 46)))
        line = f"{title:<12}{value:>18}  {moved:<10}  {style(bars, 'running') if bars else ''}".rstrip()
        yield line if bars else cut(line, width)
    outcomes = ("succeeded", "failed", "retried", "revoked", "lost", "other", "running")
    counted = "   ".join(f"{wording.count(totals[name])} {name}" for name in outcomes if totals[name])
    yield cut(f"{'Ends':<12}{counted or '0'}", width)


def _tasks(tasks: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    heads = ["Tasks", "ended", "failed", "retried", "success", "p50", "p95", "p99", "wait p95", "peak"]
    rows = [
        [
            task["task"],
            wording.count(task["ended"]),
            wording.count(task["failed"]),
            wording.count(task["retried"]),
            wording.percent(task["success_ratio"]),
            *(wording.duration(task["runtime_seconds"][q]) for q in ("p50", "p95", "p99")),
            wording.duration(task["wait_seconds"]["p95"]),
            wording.size(task["memory_peak_bytes"]),
        ]
        for task in tasks[:_MOST_ROWS]
    ]
    yield from _listed(heads, rows, len(tasks), width)


def _queues(queues: Sequence[Mapping[str, Any]], style: Style, width: int) -> Iterator[str]:
    heads = ["Queues", "waiting", "oldest", "held", "unacked", "consumers", "ended", "out", "wait p95"]
    rows = [
        [
            f"{MARKS.get(queue['state'], '○')} {queue['queue']}",
            wording.count(queue["backlog"]),
            wording.duration(queue["oldest_seconds"] if queue["backlog"] else None),
            wording.count(queue["held"]),
            wording.count(queue["unacked"]),
            wording.count(queue["consumers"]),
            wording.count(queue["ended"]),
            wording.rate(queue["rate_per_second"]),
            wording.duration(queue["wait_seconds"]["p95"]),
        ]
        for queue in queues[:_MOST_ROWS]
    ]
    yield from _coloured(_listed(heads, rows, len(queues), width), queues, style)


def _workers(workers: Sequence[Mapping[str, Any]], style: Style, width: int) -> Iterator[str]:
    heads = ["Workers", "state", "busy", "held", "ended", "failed", "cpu", "memory", "host cpu", "host mem"]
    rows = [
        [
            f"{MARKS.get(worker['state'], '○')} {worker['worker']}",
            worker["state"],
            f"{wording.count(worker['busy'])}/{wording.count(worker['slots'])}",
            wording.count(worker["prefetched"]),
            wording.count(worker["ended"]),
            wording.count(worker["failed"]),
            wording.percent(_ratio(worker["cpu_percent"])),
            wording.size(worker["rss_bytes"]),
            wording.percent(_ratio(worker["host_cpu_percent"])),
            wording.percent(worker["host_memory_ratio"]),
        ]
        for worker in workers[:_MOST_ROWS]
    ]
    yield from _coloured(_listed(heads, rows, len(workers), width), workers, style)


def _workflows(workflows: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    heads = ["Workflows and their steps", "attempts", "failed", "share", "p95"]
    rows: list[list[str]] = []
    for flow in workflows[:_MOST_ROWS]:
        rows.append([flow["workflow"], *_ends(flow), "", ""])
        rows += [
            [
                "  " + step["step"],
                *_ends(step),
                wording.percent(step["share"]),
                wording.duration(step["runtime_seconds"]["p95"]),
            ]
            for step in flow["steps"]
        ]
    yield from _listed(heads, rows, len(rows), width)


def _ends(row: Mapping[str, Any]) -> tuple[str, str]:
    return wording.count(row["ended"]), wording.count(row["failed"])


def _notes(summary: Mapping[str, Any], width: int) -> Iterator[str]:
    """Yield what a person should know of the monitor itself."""
    health = summary["health"]
    for reason, n in sorted(health["dropped"].items()):
        yield cut(f"! {wording.count(n)} records dropped: {reason}", width)
    if health["skipped_entries"]:
        yield cut(f"! {wording.count(health['skipped_entries'])} inbox entries could not be read", width)
    for note in health["notes"]:
        yield cut(f"! {note}", width)
    if health["fold_lag_seconds"] is not None:
        told = [
            f"folded {wording.duration(health['fold_lag_seconds'])} ago",
            f"{health['agents']} agent{'' if health['agents'] == 1 else 's'}",
        ]
        told += [f"ticker {health['ticker']}"] if health["ticker"] else []
        told += [f"{wording.size(health['stored_bytes'])} stored"] if health["stored_bytes"] else []
        yield cut("   ".join(told), width)


def _listed(heads: list[str], rows: list[list[str]], total: int, width: int) -> Iterator[str]:
    if rows:
        yield from table(heads, rows, width)
    if total > len(rows):
        yield f"… and {total - len(rows)} more (--json has all)"


def _coloured(lines: Iterator[str], rows: Sequence[Mapping[str, Any]], style: Style) -> Iterator[str]:
    """Colour the lines of rows whose state is not ok; the first line is the head."""
    states = [None, *(row["state"] for row in rows[:_MOST_ROWS])]
    for line, state in zip_longest(lines, states):
        if line is not None:
            yield line if state in (None, "ok") else style(line, state)


def _versus(now: Mapping[str, Any], before: Mapping[str, Any], name: str) -> str:
    return _moved(now[name], before, name)


def _moved(now: float | None, before: Mapping[str, Any], name: str) -> str:
    return wording.change(now, before.get(name))


def _saturation(busy: int, slots: int) -> str:
    return f"{wording.percent(min(1.0, busy / slots))} of {slots} slots" if slots else wording.UNKNOWN


def _added(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _window(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return f"{seconds // length} {unit}"
    return f"{seconds} s"
