"""The rollup tiers: how long a bucket is kept, what a blob of cells holds, which blobs cover a window.

Counters are written into 10 s buckets. A coarser bucket is written once, when it is over, from the buckets of the
next finer tier (`rolling`); what comes later is added to every tier at once. A reader therefore covers a window
with coarse buckets where they are written, and with finer ones at the edges.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from math import inf
from typing import Any, Final, NamedTuple

from celery_monitor.model import Cell, Gauge, Series
from celery_monitor.store.encoding import cell_columns, dumps, packing, shapes
from celery_monitor.store.encoding.cell_columns import Columns
from celery_monitor.store.encoding.packing import Undecodable
from celery_monitor.store.keys import DAY_S

VERSION: Final = 1
GRACE_S: Final = 30
"""A bucket is rolled this long after its end: the longest flush interval, two ticks and some delay."""
MAX_SERIES: Final = 5_000
"""Per part and bucket; what is beyond counts under the name `OTHER`."""
MAX_FAILURES: Final = 500
"""The same for kinds of failures."""
OTHER: Final = "(other)"


class Tier(NamedTuple):
    """Buckets of `step_s` seconds, kept for `keep_s`."""

    step_s: int
    keep_s: int


TIERS: Final = (
    Tier(10, 2 * 3600),
    Tier(60, DAY_S),
    Tier(600, 4 * DAY_S),
    Tier(3600, 32 * DAY_S),
    Tier(21_600, 92 * DAY_S),
)
STEPS: Final = tuple(t.step_s for t in TIERS)
PAIRS: Final = tuple(pairwise(TIERS))
"""Each tier with the next coarser one."""

ALL: Final = "all"  # one cell: the sum of all task series
TASKS: Final = "tq"  # ("task", name, queue)
WORKERS: Final = "w"  # ("worker", hostname): the sum of its tasks, without their errors and reasons
WORKFLOWS: Final = "wf"  # ("workflow", name) and ("step", workflow, step)
INSIDES: Final = "in"  # ("span", name, kind), ("wait", name) and ("measure", name, kind, unit), values in millionths
LABELS: Final = "lb"  # ("label", key, value) of the keys that are listed for it
FAILURES: Final = "f"  # ("failure", fingerprint, exception, masked message), counts only
FAILED_AT: Final = "fa"  # ("failure_task", task, queue, fingerprint), ("failure_worker", hostname, fingerprint)
INFRA: Final = "infra"  # ("infra", name)
GAUGES: Final = "g"  # any series to {name: Gauge}
PARTS: Final = (ALL, TASKS, WORKERS, WORKFLOWS, INSIDES, LABELS, FAILURES, FAILED_AT, INFRA, GAUGES)
_PART_OF: Final = {
    "task": TASKS, "worker": WORKERS, "workflow": WORKFLOWS, "step": WORKFLOWS, "span": INSIDES, "wait": INSIDES,
    "measure": INSIDES, "label": LABELS, "infra": INFRA, "failure": FAILURES, "failure_task": FAILED_AT,
    "failure_worker": FAILED_AT,
}  # fmt: skip
_WORKERS_KEPT: Final = {60: DAY_S // 3, 600: 2 * DAY_S, 3600: 8 * DAY_S}
"""Step of a tier to how long (s) its buckets of workers are kept: five histograms each, half of all bytes."""
_ALL_SERIES: Final = ("all",)
_PORTION: Final = {ALL: 1 / 2000, INFRA: 1 / 2000, TASKS: 1 / 250, GAUGES: 1 / 250}
_PORTION_OF_OTHERS: Final = 1 / 600
"""Most of a rollup budget that one blob takes: some 65 buckets are not over in the next tier and may not be dropped."""
_OTHERS: Final = 200
"""Per part, beyond `MAX_SERIES`: series that keep what is beside the name, like the queue."""

Level = dict[str, Gauge]
Part = dict[Series, Any]
"""Series to `Cell` (or to `Level` in the part of gauges)."""
Parts = dict[tuple[int, str], Part]
"""(bucket, name of a part) to the part."""
Raw = dict[Series, Any]
"""The same as it lies in a blob: dumps, decoded only when touched."""


def collect(into: Parts, bucket: int, rows: Iterable[tuple[Series, Any]]) -> None:
    """Add a batch's gauges of one bucket to their part."""
    for series, dump in rows:
        add(into.setdefault((bucket, GAUGES), {}), series, value_of(dump))


def place(into: Parts, bucket: int, cells: Mapping[Series, Cell]) -> None:
    """Put the cells of one bucket into the parts where they belong, each of which has none of them yet.

    Series of a kind unknown here are left out: a newer release wrote them, for parts of its own.
    """
    for series, cell in cells.items():
        name = _PART_OF.get(series[0])
        if name is not None:
            into.setdefault((bucket, name), {})[series] = cell


def with_sums(parts: Parts) -> Parts:
    """Return parts with the part `ALL`: in each bucket the sum of its task series."""
    sums: Parts = {}
    for (bucket, name), part in parts.items():
        if name == TASKS:
            total = Cell()
            for cell in part.values():
                total.merge(cell)
            sums[bucket, ALL] = {_ALL_SERIES: total}
    return {**parts, **sums}


def add(part: Part, series: Series, value: Cell | Level) -> None:
    """Add a cell or gauges to a part; the value is copied."""
    mine = part.get(series)
    if isinstance(value, Cell):
        if mine is None:
            mine = part[series] = Cell()
        mine.merge(value)
        return
    if mine is None:
        mine = part[series] = {}
    for name, gauge in value.items():
        mine.setdefault(name, Gauge()).merge(gauge)


def merge(into: Part, other: Mapping[Series, Any]) -> None:
    """Add one part to another."""
    for series, value in other.items():
        add(into, series, value)


def load(raw: bytes | None) -> Raw:
    """Return a blob's series with their dumps; nothing for None.

    Raises:
        Undecodable: broken, or of a newer version.
    """
    if raw is None:
        return {}
    if is_columns(raw):
        part: Part = {}
        Columns(raw).add_to(part)
        return {series: cell.dump() for series, cell in part.items()}
    try:
        version, rows = packing.unpack(packing.inflate(raw))
        if version != VERSION:
            raise Undecodable(f"rollup of version {version!r}; this release reads {VERSION}")
        return checked(rows)
    except packing.BROKEN as e:
        raise Undecodable(f"rollup: {e}") from e


def is_columns(raw: bytes) -> bool:
    """Return whether a blob is one of columns; rows are within zlib, whose streams begin with an x."""
    return not raw.startswith(b"x")


def checked(rows: Iterable[tuple[list[str], Any]]) -> Raw:
    """Return a blob's rows by series; raises one of `packing.BROKEN` for what no cell and no gauges are made of."""
    found: Raw = {}
    for parts, value in rows:
        found[shapes.series(parts)] = (
            dumps.checked_levels(value) if isinstance(value, dict) else dumps.checked(value, inf)
        )
    return found


def dump(raw: Mapping[Series, Any], level: int = 6, *, columns: bool = False) -> bytes:
    """Return the blob of series and their dumps, without Prometheus' buckets: only totals since ever have those.

    Parameters:
        raw: dumps, or cells where the blob is one of columns.
        level: of zlib, for rows.
        columns: cells that ran as columns, which take longer to write.
    """
    part: Part = {series: value_of(value) for series, value in raw.items()} if columns else {}
    if any(isinstance(value, Cell) and value.runtime.count for value in part.values()):
        return cell_columns.encode(part)
    rows = [(series, _slim(value)) for series, value in raw.items()]
    return packing.deflate(packing.pack([VERSION, rows]), level)


def _slim(value: Any) -> Any:
    dumped = value.dump() if isinstance(value, Cell) else value
    return dumped if isinstance(value, dict) else [*dumped[:7], {}, {}, *dumped[9:]]


def most_series(part: str) -> int:
    """Return how many series a blob of a part may have."""
    return MAX_FAILURES if part == FAILURES else MAX_SERIES


def most_bytes(part: str, budget: int) -> int:
    """Return how big a blob of a part may get when all rollups together have so many bytes."""
    return int(budget * _PORTION.get(part, _PORTION_OF_OTHERS))


def dump_within(raw: Raw, most: int, level: int = 6, *, columns: bool = False) -> bytes:
    """Return the blob; where it would be bigger than `most` bytes, the series with least in them count as one per kind.

    The blob is that of `dump`, `raw` is changed then.
    """
    data = dump(raw, level, columns=columns)
    while len(data) > most:
        named = [series for series in raw if OTHER not in series]
        series = sorted(named or [s for s in raw if s != _all_other(s)], key=lambda s: _ends(raw[s]), reverse=True)
        if not series or len(raw) < 2:
            break
        keep = min(len(series) * most // len(data) * 9 // 10, len(series) - 1)
        rest: Part = {}
        for one in series[keep:]:
            add(rest, _all_other(one), value_of(raw.pop(one)))
        absorb(raw, rest)
        data = dump(raw, level, columns=columns)
    return data


def absorb(raw: Raw, part: Part, most: int = MAX_SERIES) -> None:
    """Add a part to a blob's series, of which there are `most`; only those that change are decoded."""
    for series, value in part.items():
        known = _place(raw, series, most)
        before = raw.get(known)
        if before is None:
            raw[known] = dump_of(value)
            continue
        mine: Part = {known: value_of(before)}
        add(mine, known, value)
        raw[known] = dump_of(mine[known])


def merge_raw(into: Part, raw: Raw, sketches: Collection[str] = dumps.SKETCHES) -> None:
    """Add a blob's series to a part, with these sketches; the blob stays as it is."""
    for series, value in raw.items():
        if isinstance(value, dict):
            add(into, series, value_of(value))
            continue
        cell = into.get(series)
        if cell is None:
            cell = into[series] = Cell()
        dumps.add_cell(cell, value, sketches)


def value_of(value: Any) -> Cell | Level:
    """Return the cell or the gauges of a dump, which stays as it is; a cell is its own."""
    if isinstance(value, Cell):
        return value
    if isinstance(value, dict):
        return {name: Gauge.load(g) for name, g in value.items()}
    cell = Cell()
    dumps.add_cell(cell, value)
    return cell


def dump_of(value: Cell | Level) -> Any:
    """Return what `value_of` reads."""
    if isinstance(value, Cell):
        return value.dump()
    return {name: g.dump() for name, g in value.items()}


def keep_s(tier: Tier, part: str = "") -> int:
    """Return how long a bucket of a part is kept.

    >>> keep_s(TIERS[1]), keep_s(TIERS[1], WORKERS)
    (86400, 28800)
    """
    return _WORKERS_KEPT.get(tier.step_s, tier.keep_s) if part == WORKERS else tier.keep_s


def expires_in(tier: Tier, bucket: int, now_s: int, rollup_days: int, part: str = "") -> int:
    """Return for how many seconds a written bucket of a part is still kept; 0 and less: not at all."""
    return bucket + tier.step_s + min(keep_s(tier, part), rollup_days * DAY_S) - now_s


def kept_since(part: str, now_s: int, cut: Mapping[int, int]) -> Mapping[int, int]:
    """Return the times before which tiers have no buckets of a part, where all others have none before `cut`."""
    if part != WORKERS:
        return cut
    return {**cut, **{step: max(cut.get(step, 0), now_s - kept) for step, kept in _WORKERS_KEPT.items()}}


def cover(
    start: int,
    end: int,
    rolled: Mapping[int, int],
    steps: Iterable[int] = STEPS,
    cut: Mapping[int, int] | None = None,
) -> list[tuple[int, int]]:
    """Return the (step, bucket) of the blobs that together are exactly the window.

    Where the buckets that would fit had to go, a coarser one stands for them, which may begin before or end after it.

    Parameters:
        start, end: seconds; `start` is a multiple of 10.
        rolled: step of a tier to the end of what is written in it; 10 s buckets are always written.
        steps: tiers allowed; without the 10 s tier the part that is not rolled yet is taken from it all the same.
        cut: step of a tier to the time before which it has no buckets any more.

    >>> cover(50, 150, {60: 120})
    [(10, 50), (60, 60), (10, 120), (10, 130), (10, 140)]
    >>> cover(50, 150, {60: 120}, cut={10: 60})
    [(60, 0), (60, 60), (10, 120), (10, 130), (10, 140)]
    """
    cut = cut or {}
    coarse = sorted((s for s in steps if s != STEPS[0]), reverse=True)
    out = []
    at = start
    while at < end:
        step = next((s for s in coarse if at % s == 0 and at + s <= min(end, rolled.get(s, 0))), STEPS[0])
        if at < cut.get(step, 0):
            step = next((s for s in STEPS if s > step and cut.get(s, 0) <= at < rolled.get(s, 0)), step)
        bucket = at // step * step
        out.append((step, bucket))
        at = bucket + step
    return out


def _place(raw: Raw, series: Series, most: int) -> Series:
    """Return the series under which one counts: itself, or those that stand for what is too much."""
    if series in raw or len(raw) < most:
        return series
    other = (series[0], OTHER, *series[2:]) if len(series) > 1 else series
    return other if other in raw or len(raw) < most + _OTHERS else _all_other(series)


def _all_other(series: Series) -> Series:
    return (series[0], *(OTHER for _ in series[1:]))


def _ends(value: Any) -> int:
    """Return how much is in a dump: messages and ends, or samples."""
    if isinstance(value, Cell):
        value = [value.counts]
    counts = [gauge[0] for gauge in value.values()] if isinstance(value, dict) else value[0].values()
    return sum(map(abs, counts))
