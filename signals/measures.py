"""Measures: numbers that user code reports, as tokens, rows, cost or a score."""

from __future__ import annotations

from math import isfinite
from time import time_ns
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import context, guard, owner, redact
from celery_monitor.signals.inside import KINDS, MAX_NAME, MAX_WORD, MEASURE, MEASURE_TEXTS, pack_texts
from celery_monitor.signals.owner import Owner
from celery_monitor.signals.record import Kind

LARGEST: Final = 1e12
"""A measure beyond it, or below minus it, is left out: sums are kept in millionths, in 64 bits."""
_SINGLE: Final = 50
"""Sums of one name that an attempt reports one by one; the rest is added up and reported when it ends."""
_MOST_KNOWN: Final = 1000
_CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
_pack, _MEASURE = MEASURE.pack, Kind.MEASURE


def measure(name: str, value: float, kind: str = "sum", unit: str = "", run_id: str | None = None) -> None:
    """Report a number: of the task that runs here, outside tasks of the open workflow, or of a run that has ended.

    Without a Monitor it does nothing. A wrong value is logged once, counted, and never raised.

    Parameters:
        name: what is measured, at most 100 characters.
        value: a number from -1e12 to 1e12.
        kind: "sum" is added up, "gauge" is a level, "histogram" a distribution.
        unit: of the value, at most 40 characters.
        run_id: of the run it belongs to, when that is not the one that runs here.

    """
    try:
        if owner.recording():
            _report(name, value, kind, unit, run_id)
    except SoftTimeLimitExceeded:
        guard.repair()
        raise
    except Exception as error:  # noqa: BLE001 - the seam: a user's task must not notice us
        guard.note("measure", error)


def _report(name: Any, value: Any, kind: Any, unit: Any, run_id: Any) -> None:
    code = _CODES.get(kind)
    if code is None:
        owner.complain(
            "measure of an unknown kind", f"measure({name!s:.50}, kind={kind!s:.50}): give one of {', '.join(KINDS)}"
        )
        return
    number = _number(value)
    if number is None:
        owner.complain(
            "measure without a number",
            f"measure({name!s:.50}, a {type(value).__name__}): give a number from -1e12 to 1e12, not infinite nor NaN",
        )
        return
    if run_id is None:
        mine: Owner = owner.current()
    else:
        run = context.run_of("measure", run_id)
        if run is None:
            return
        mine = owner.of_run(run)
    if code == 0 and mine.serial and not _alone(mine, name, unit, number):
        return
    _put(mine, code, name, unit, number)


def _number(value: Any) -> float | None:
    if isinstance(value, (str, bytes)):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if isfinite(number) and -LARGEST <= number <= LARGEST else None


def _alone(mine: Owner, name: Any, unit: Any, number: float) -> bool:
    """Tell whether a sum's part is reported by itself; a task that counts every row would fill the ring otherwise."""
    if mine.sums is None:
        mine.sums = {}
    known = mine.sums.setdefault((name, unit), [0, 0.0])
    known[0] += 1
    if known[0] <= _SINGLE:
        return True
    if known[0] == _SINGLE + 1:
        mine.when_ended(("measure", name, unit), lambda _: _put(mine, 0, name, unit, known[1]))
    if abs(known[1] + number) > LARGEST:
        return True
    known[1] += number
    return False


def _put(mine: Owner, code: int, name: Any, unit: Any, number: float) -> None:
    owner.put(
        _MEASURE,
        _pack(time_ns() // 1000, number, code) + mine.block + (_known.get((name, unit)) or _texts(name, unit)),
    )


_known: dict[tuple[Any, Any], bytes] = {}
redact.forget.append(_known.clear)


def _texts(name: Any, unit: Any) -> bytes:
    """Return the packed texts of a measure, kept per name and unit."""
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    found = _known[name, unit] = pack_texts(
        MEASURE_TEXTS, owner.name_of("measure", name, MAX_NAME),
        owner.name_of("measure unit", unit, MAX_WORD) if unit else "",
    )  # fmt: skip
    return found
