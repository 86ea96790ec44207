"""One execution as the JSON API shows it, from its rows and from what a worker says it runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from celery_monitor.agent.usage import TRAFFIC
from celery_monitor.analytics.executions import end_of, last_word, real
from celery_monitor.details import Content, Traffic
from celery_monitor.live_state import Running
from celery_monitor.model import Attempt, Publish
from celery_monitor.query.rows import Found
from celery_monitor.query.texts import parsed
from celery_monitor.query.times import iso, seconds
from celery_monitor.signals.record import Flag, Reason, ResultSize, State, fixed_id, name_of, unpack_id

WAITING: Final = "WAITING"
STARTED: Final = State.STARTED.name

_UNHELD: Final = int(Flag.EAGER | Flag.UNSTARTED)
_SKEWED: Final = int(Flag.SKEWED)
_SIZES: Final = {int(s): s.name.lower() for s in ResultSize if s is not ResultSize.UNKNOWN}


class Live(Running):
    """An attempt that runs, the worker that says so, and for how long (s)."""

    worker: str
    seconds: float


def row(packed: bytes, found: Found, running: Live | None) -> dict[str, Any]:
    """Return an execution as the API shows it, from its rows and from what a worker says it runs."""
    attempts = real(found.attempts.values(), published=bool(found.publishes))
    publishes = sorted(found.publishes, key=lambda p: p.published_us)
    if running and bytes.fromhex(running["uid"]) in found.attempts:
        running = None  # its end is here already
    newest = last_word(attempts)
    first: Attempt | Publish | None = publishes[0] if publishes else attempts[0] if attempts else None
    known: Attempt | Publish | None = newest or (publishes[-1] if publishes else None)
    state = STARTED if running else name_of(State, newest.state) if newest else WAITING
    return {
        "id": unpack_id(packed),
        "task": known.task if known else running["task"] if running else None,
        "state": state,
        "reason": name_of(Reason, newest.reason).lower() if newest and not running else None,
        "queue": (known.queue if known else running["queue"] if running else None) or None,
        "root_id": unpack_id((known.root if known else b"") or packed),
        "parent_id": unpack_id(known.parent) or None if known else None,
        "group_id": unpack_id(known.group) or None if known else None,
        "run_id": _run_id(packed, known, running),
        "workflow": known.workflow or None if known else None,
        "published_at": iso(first.published_us) if first else None,
        "ended_at": iso(end_of(newest)) if newest and not running else None,
        "flags": [f.name.lower() for f in Flag if f.name and newest and newest.flags & f],
        "attempts": [_shown(a, found) for a in attempts],
        "running": _now(running) if running else None,
        "waiting": None,  # told of one that was asked for by its id (`query.waiting`)
    }


def _now(running: Live) -> dict[str, Any]:
    """Return where and since when an attempt runs that has no row before its end."""
    return {
        "uid": running["uid"],
        "worker": running["worker"] or None,
        "pid": running["pid"],
        "started_at": iso(running["started_us"]),
        "seconds": running["seconds"],
    }


def _shown(a: Attempt, found: Found) -> dict[str, Any]:
    return _attempt(a) | _content(a.uid, found.contents) | _traffic(found.traffic.get(a.uid))


def _content(uid: bytes, contents: Iterable[Content]) -> dict[str, Any]:
    """Return what an attempt was called with and what it returned: two rows, each with one of the two texts."""
    mine = [row for row in contents if row.uid == uid]
    return {
        "arguments": parsed(next((row.arguments for row in mine if row.arguments), "")),
        "result": parsed(next((row.result for row in mine if row.result), "")),
    }


def _traffic(row: Traffic | None) -> dict[str, int | None]:
    """Return what is counted when it is asked for."""
    if row is None:
        return dict.fromkeys(TRAFFIC)
    return {name: known if (known := getattr(row, name)) >= 0 else None for name in TRAFFIC}


def _attempt(a: Attempt) -> dict[str, Any]:
    failed = {"type": a.exception, "message": a.message or None, "traceback": a.traceback or None}
    return {
        "uid": a.uid.hex(),
        "state": name_of(State, a.state),
        "reason": name_of(Reason, a.reason).lower(),
        "worker": a.worker or None,
        "pid": a.pid or None,
        "started_at": iso(a.started_us),
        "ended_at": iso(end_of(a)),
        "retries": a.retries,
        "routing_key": a.routing_key or a.queue or None,
        "wait_seconds": seconds(a.wait_us),
        **hold(a),
        "runtime_seconds": seconds(a.runtime_us),
        "cpu_seconds": seconds(a.cpu_us),
        "rss_bytes": a.rss_kib * 1024 if a.rss_kib > 0 else None,
        "rss_growth_bytes": a.growth_kib * 1024 if a.rss_kib > 0 else None,
        "read_bytes": _known(a.read_bytes),
        "written_bytes": _known(a.write_bytes),
        "switches": _known(a.switches),
        "involuntary_switches": _known(a.involuntary_switches),
        "result_size_class": _SIZES.get(a.result_size),
        "exception": failed if a.exception else None,
        "fingerprint": a.fingerprint or None,
    }


def _known(n: int) -> int | None:
    return n if n >= 0 else None


def hold(a: Attempt) -> dict[str, float | None]:
    """Return how long a worker held the message, and by how much that may be wrong: never longer than the wait."""
    found, error = hold_seconds(a)
    return {"hold_seconds": found, "hold_error_seconds": error}


def hold_seconds(a: Attempt) -> tuple[float | None, float | None]:
    """Return what `hold` does, without names."""
    if a.hold_us < 0 or a.flags & _UNHELD:
        return None, None
    least, most = max(a.hold_us - a.hold_error_us, 0), a.hold_us + a.hold_error_us
    if a.wait_us >= 0 and not a.flags & _SKEWED:
        least, most = min(least, a.wait_us), min(most, a.wait_us)
    return (least + most) / 2e6, (most - least) / 2e6


def _run_id(packed: bytes, known: Attempt | Publish | None, running: Running | None) -> str | None:
    if known is None and running is not None:
        return unpack_id(bytes.fromhex(running["run"])) if running.get("run") else None
    return unpack_id((known.run if known else b"") or fixed_id(packed))
