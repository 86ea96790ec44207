"""Schedules in plain language."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_UNITS: Final = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))
_DAYS: Final = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_SHORT: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS: Final = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip


def interval(seconds: float) -> str:
    """Return an interval in words.

    >>> interval(30), interval(3600), interval(5400), interval(0.5)
    ('every 30 seconds', 'every hour', 'every 90 minutes', 'every 0.5 seconds')
    """
    for size, unit in _UNITS:
        n = seconds / size
        if n >= 1 and n == int(n):
            return f"every {unit}" if n == 1 else f"every {int(n)} {unit}s"
    return f"every {seconds:g} seconds"


def crontab(minute: str, hour: str, day: str, month: str, weekday: str, zone: str = "") -> str:
    """Return a crontab in words; fields as they were written.

    >>> crontab("0", "4", "*", "*", "*", "UTC"), crontab("*/15", "*", "*", "*", "*")
    ('every day at 04:00 UTC', 'every 15 minutes')
    >>> crontab("30", "8", "*", "*", "mon-fri"), crontab("0", "0", "1", "*", "*")
    ('Monday to Friday at 08:30', 'on day 1 of the month at 00:00')
    >>> crontab("5", "*/2", "*", "*", "0"), crontab("*", "9-17", "*", "6", "*")
    ('Sunday: at minute 5 of every 2nd hour', 'in June: every minute of hours 9-17')
    """
    days = _days(day, month, weekday)
    if minute.isdigit() and _numbers(hour):
        times = " and ".join(f"{int(h):02}:{int(minute):02}" for h in hour.split(","))
        return f"{days or 'every day'} at {times}{' ' + zone if zone else ''}"
    text = _minutes(minute) + _hours(hour, every=minute.isdigit() or _numbers(minute))
    return f"{days}: {text}" if days else text


def _minutes(minute: str) -> str:
    if minute == "*":
        return "every minute"
    if minute.startswith("*/"):
        return f"every {minute[2:]} minutes"
    return f"at minute{'s' if not minute.isdigit() else ''} {minute}"


def _hours(hour: str, *, every: bool) -> str:
    if hour == "*":
        return " of every hour" if every else ""
    if hour.startswith("*/"):
        return f" of every {_nth(hour[2:])} hour"
    return f" of hour{'s' if not hour.isdigit() else ''} {hour}"


def _days(day: str, month: str, weekday: str) -> str:
    parts = []
    if weekday != "*":
        parts.append(_weekdays(weekday))
    if day != "*":
        parts.append(f"on {_listed('day', day)} of the month")
    if month != "*":
        parts.append(f"in {_months(month)}")
    return ", ".join(parts)


def _weekdays(text: str) -> str:
    return ", ".join(" to ".join(_name(end, _DAYS, _SHORT) for end in part.split("-")) for part in text.split(","))


def _months(text: str) -> str:
    short = [name[:3].lower() for name in _MONTHS]
    return ", ".join(" to ".join(_name(end, _MONTHS, short, 1) for end in p.split("-")) for p in text.split(","))


def _name(text: str, names: Sequence[str], short: Sequence[str], first: int = 0) -> str:
    if text.isdigit() and int(text) - first in range(len(names)):
        return names[int(text) - first]
    known = text[:3].lower()
    return names[short.index(known)] if known in short else text


def _listed(what: str, text: str) -> str:
    return f"{what} {text}" if text.isdigit() else f"{what}s {text}"


def _numbers(text: str) -> bool:
    return all(part.isdigit() for part in text.split(","))


def _nth(text: str) -> str:
    ending = "th" if text[-2:] in {"11", "12", "13"} else {"1": "st", "2": "nd", "3": "rd"}.get(text[-1:], "th")
    return f"{text}{ending}"
