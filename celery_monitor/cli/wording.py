"""Numbers as people read them, on the page as in the terminal: with their unit, a dash for unknown."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

UNKNOWN: Final = "–"  # noqa: RUF001 - the dash of the pages
_BARS: Final = "▁▂▃▄▅▆▇█"


def duration(seconds: float | None) -> str:
    """Return a duration with two or three digits that matter.

    >>> [duration(s) for s in (0, 0.0004, 0.412, 3.21, 41, 250, 7300, 200000)]
    ['0 s', '0.4 ms', '412 ms', '3.2 s', '41 s', '4 m 10 s', '2 h 1 m', '2 d 7 h']
    """
    if seconds is None:
        return UNKNOWN
    if seconds == 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.1f} ms" if seconds < 0.00995 else f"{seconds * 1000:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} m {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} m" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def rate(per_second: float | None) -> str:
    """Return a rate as the page does: per second from 100 a second on, per hour under one a minute.

    >>> [rate(r) for r in (0, 0.001, 0.345, 14.23, 1234.5)]
    ['0 /min', '3.6 /h', '20.7 /min', '854 /min', '1 234 /s']
    """
    if per_second is None:
        return UNKNOWN
    number, unit = per_second * 60, "/min"
    if per_second >= 100:
        number, unit = per_second, "/s"
    elif 0 < number < 1:
        number, unit = per_second * 3600, "/h"
    return f"{count(round(number)) if number >= 100 or number == 0 else f'{number:.1f}'} {unit}"


def count(number: float | None) -> str:
    """Return a whole number in groups of three.

    >>> count(1240), count(212.0), count(None) == UNKNOWN
    ('1 240', '212', True)
    """
    return UNKNOWN if number is None else f"{round(number):,}".replace(",", " ")


def percent(ratio: float | None) -> str:
    """Return a ratio in percent; what is not all is never rounded up to 100.

    >>> [percent(r) for r in (0, 0.978, 0.99996, 1)]
    ['0 %', '97.8 %', '99.9 %', '100 %']
    """
    if ratio is None:
        return UNKNOWN
    if ratio in (0, 1):
        return f"{ratio * 100:.0f} %"
    return f"{min(ratio * 100, 99.9) if ratio < 1 else ratio * 100:.1f} %"


def size(number: float | None) -> str:
    """Return bytes in KiB, MiB or GiB.

    >>> [size(n) for n in (0, 6_253, 52_428_800, 2_040_109_466)]
    ['0 KiB', '6 KiB', '50 MiB', '1.9 GiB']
    """
    if number is None:
        return UNKNOWN
    mib = number / 1024**2
    if mib < 0.95:
        return f"{mib * 1024:.0f} KiB"
    return f"{mib:.0f} MiB" if mib < 1024 else f"{mib / 1024:.1f} GiB"


def change(now: float | None, before: float | None) -> str:
    """Return how much a figure rose or fell against the period before, empty when one is unknown.

    >>> change(1.04, 1.0), change(0.9, 1.0), change(1.0, 1.0), change(5, 0), change(None, 1)
    ('▲ 4 %', '▼ 10 %', '= 0 %', '', '')
    """
    if now is None or not before:
        return ""
    moved = round((now / before - 1) * 100)
    return f"{'▲' if moved > 0 else '▼' if moved < 0 else '='} {abs(moved)} %"


def points(now: float | None, before: float | None) -> str:
    """Return how far a ratio moved, in percentage points.

    >>> points(0.003, 0.004), points(0.5, None)
    ('▼ 0.1 pt', '')
    """
    if now is None or before is None:
        return ""
    moved = round((now - before) * 100, 1)
    return f"{'▲' if moved > 0 else '▼' if moved < 0 else '='} {abs(moved):g} pt"


def spark(values: Sequence[float | None], width: int) -> str:
    """Return values as a row of bars from 0 to the highest, at most `width`; unknown is a gap.

    >>> spark([0, 1, None, 8], 10), spark(range(100), 4), spark([1], 0)
    ('▁▂ █', '▂▄▆█', '')
    """
    shown = list(values) if width > 0 else []
    if len(shown) > width:
        edges = [round(i * len(shown) / width) for i in range(width + 1)]
        shown = [_mean(shown[a:b]) for a, b in pairwise(edges)]
    most = max((value for value in shown if value is not None), default=0) or 1
    return "".join(" " if value is None else _BARS[round(value / most * 7)] for value in shown)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None
