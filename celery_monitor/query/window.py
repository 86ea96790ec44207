"""The window of a question: how long, in which steps, from when to when."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, TypedDict

from celery_monitor.errors import BadRequest
from celery_monitor.query.times import iso, parse_iso
from celery_monitor.store.rollups.tiers import TIERS, WORKERS, keep_s

LEAST_S: Final = 60
MOST_S: Final = 92 * 86_400
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_FORM: Final = re.compile(r"([0-9]{1,9})([smhd])")
_STEPS: Final = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)
_POINTS: Final = 60
_SPARKS: Final = 20
_YOUNG_S: Final = 20


class Between(TypedDict, total=False):
    """Two moments (ISO-8601) in the place of a window that ends now; `since` alone goes until now."""

    since: str | None
    until: str | None


@dataclass(frozen=True, slots=True)
class Window:
    """A window of time, all in seconds since the epoch.

    Attributes:
        seconds: as asked for, clamped.
        step_s: width of a point of a chart; `spark_s` of a small one.
        start_s: a multiple of `step_s`, so up to one step before what was asked for: then coarse buckets fit.
        end_s: end of the 10 s bucket that now is in, or of the step in which an earlier end lies.
        now_us: now.
        clamped: why the window is not the one asked for; None when it is.
        recorded_s: since when anything was recorded; 0 when that was not looked at.
    """

    seconds: int
    step_s: int
    spark_s: int
    start_s: int
    end_s: int
    now_us: int
    clamped: str | None
    recorded_s: int = 0

    @property
    def span_s(self) -> float:
        """Seconds until the end or now, from the start or the first record, if that came later: what rates are of."""
        end = min(self.now_us / 1e6, self.end_s)
        return end - max(self.start_s, min(self.recorded_s, end - LEAST_S))

    @property
    def before_span_s(self) -> float:
        """Seconds of the period before in which anything was recorded, a minute at least: what its rates are of."""
        return self.start_s - max(self.before_s, min(self.recorded_s, self.start_s - LEAST_S))

    def recorded_from(self, at_us: int) -> Window:
        """Return it with the moment since which anything was recorded."""
        return replace(self, recorded_s=at_us // 1_000_000)

    @property
    def until_us(self) -> int | None:
        """The end (us) of a window that ended before now; None for one that ends now."""
        end_us = self.end_s * 1_000_000
        return end_us if end_us < self.now_us else None

    def last_at(self, end_s: int) -> str | None:
        """Return when the last thing of a bucket that ends then happened at the latest; None for 0, no bucket."""
        return iso(min(end_s * 1_000_000 - 1, self.at_us)) if end_s else None

    @property
    def at_us(self) -> int:
        """The moment (us) that levels are of, like the depth of a queue: the end or now."""
        return self.until_us or self.now_us

    @property
    def limits(self) -> dict[str, str | None]:
        """What narrows a list of executions to the window."""
        return {"since": iso(self.start_s * 1_000_000), "until": iso(self.until_us)}

    @property
    def points(self) -> list[int]:
        """Start of every point."""
        return list(range(self.start_s, self.end_s, self.step_s))

    @property
    def before_s(self) -> int:
        """Start of the period of the same length before the window."""
        return self.start_s - -(-(self.end_s - self.start_s) // self.step_s) * self.step_s

    @property
    def widths(self) -> list[float | None]:
        """Seconds that each point has lasted: the last may go on still; None while that is too short for a rate."""
        lasted = min(self.at_us / 1e6 - self.points[-1], self.step_s)
        return [
            *[float(self.step_s)] * (len(self.points) - 1),
            lasted if lasted >= min(self.step_s, _YOUNG_S) else None,
        ]

    def slot(self, bucket: int) -> int:
        """Return the point a bucket (s) belongs to."""
        return (bucket - self.start_s) // self.step_s

    def spark_slot(self, bucket: int) -> int:
        """Return the point of a small chart a bucket (s) belongs to."""
        return bucket // self.spark_s - self.start_s // self.spark_s

    @property
    def sparks(self) -> int:
        """Number of points of a small chart."""
        return self.spark_slot(self.end_s - 1) + 1


def parse(text: str, now_us: int) -> Window:
    """Return the window that ends now.

    Parameters:
        text: a whole number and s, m, h or d, like ``15m``; clamped to a minute at least and 92 days at most, for
            finer is not measured and older is not kept.

    Raises:
        BadRequest: not of that form.

    >>> w = parse("1h", 1763640003_000000); w.step_s, w.spark_s, w.end_s - w.start_s
    (60, 120, 3610)
    >>> parse("365d", 1763640003_000000).clamped
    '365d is longer than anything is kept: 92d'
    """
    found = _FORM.fullmatch(text.strip())
    if not found:
        raise BadRequest("bad_window", f"window: {text[:40]!r} is not a duration; give 1m to 92d, like 15m, 6h or 7d")
    asked = int(found[1]) * _UNITS[found[2]]
    clamped = None
    if asked > MOST_S:
        clamped = f"{text} is longer than anything is kept: 92d"
    elif asked < LEAST_S:
        clamped = f"{text} is shorter than can be told apart: 1m"
    return last(min(max(asked, LEAST_S), MOST_S), now_us, clamped)


def asked(text: str, now_us: int, since: str | None = None, until: str | None = None) -> Window:
    """Return the window from one moment to another, the one that ends now without them.

    Parameters:
        since, until: ISO-8601; `until` alone is refused, `since` alone goes until now.

    Raises:
        BadRequest: not of the accepted form, or the end is not after the beginning.
    """
    if since is None:
        if until is not None:
            raise BadRequest("bad_window", "until: stands alone; give since as well")
        return parse(text, now_us)
    begin = parse_iso("since", since)
    end = parse_iso("until", until) if until else now_us
    if begin >= min(end, now_us):
        raise BadRequest("bad_window", "since: is not before until and now; give the earlier time as since")
    return _between(begin // 1_000_000, -(-min(end, now_us) // 1_000_000), now_us)


def _between(since_s: int, until_s: int, now_us: int) -> Window:
    now_s = now_us // 1_000_000
    clamped = None
    if since_s < now_s - MOST_S:
        since_s, clamped = now_s - MOST_S, "Nothing is kept for longer than 92d"
        until_s = max(until_s, since_s + LEAST_S)
    span = max(until_s - since_s, LEAST_S)
    # The period before is read as well, and fine buckets are kept for a shorter time than coarse ones.
    finest = next((t.step_s for t in TIERS if now_s - since_s + span < t.keep_s), TIERS[-1].step_s)
    step, spark = (max(_step(span, points), finest) for points in (_POINTS, _SPARKS))
    if span < 3 * finest:
        clamped = clamped or f"Of that time nothing finer than {_said(finest)} is kept"
    start = since_s // step * step
    end = min(-(-max(until_s, start + LEAST_S) // step) * step, -(-now_us // 10_000_000) * 10)
    return Window(end - start, step, spark, start, end, now_us, clamped)


def of_workers(asked: Window) -> Window:
    """Return a window in steps that are still kept of workers, whose fine buckets go before those of others."""
    age_s = asked.now_us // 1_000_000 - asked.start_s
    finest = next((t.step_s for t in TIERS if age_s < keep_s(t, WORKERS)), TIERS[-1].step_s)
    step, spark = max(asked.step_s, finest), max(asked.spark_s, finest)
    end = asked.end_s if asked.until_us is None else -(-asked.end_s // step) * step
    return replace(asked, step_s=step, spark_s=spark, start_s=asked.start_s // step * step, end_s=end)


def _said(seconds: int) -> str:
    unit = next(name for name in ("h", "m", "s") if seconds % _UNITS[name] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"


def last(seconds: int, now_us: int, clamped: str | None = None) -> Window:
    """Return the window of the last so many seconds."""
    step = _step(seconds, _POINTS)
    end = -(-now_us // 10_000_000) * 10
    start = (now_us // 1_000_000 - seconds) // step * step
    return Window(seconds, step, _step(seconds, _SPARKS), start, end, now_us, clamped)


def _step(seconds: int, points: int) -> int:
    """Return the widest step that gives at least so many points."""
    return max((s for s in _STEPS if s * points <= seconds), default=_STEPS[0])
