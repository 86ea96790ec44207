"""How many bytes of rollups are stored, by tier and bucket of the next one: written in the commits that change them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from celery_monitor.store.cursor import MetricsCursor
from celery_monitor.store.encoding import packing
from celery_monitor.store.keys import DAY_S
from celery_monitor.store.rollups import tiers
from celery_monitor.store.rollups.tiers import TIERS, Tier

VERSION: Final = 1
_KEY_BYTES: Final = 112
"""What a key costs beside its name and its value: object, entries in the tables of keys and of expiries."""

_GROUPS: Final = {**{finer.step_s: coarser.step_s for finer, coarser in tiers.PAIRS}, TIERS[-1].step_s: DAY_S}
"""Step of a tier to the seconds that are counted, and dropped, as one: what is one bucket of the next tier."""


@dataclass(slots=True)
class TierBytes:
    """Step of a tier to the start of a group of buckets to their bytes; of workers, which go earlier, under -step."""

    held: dict[int, dict[int, int]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """All bytes."""
        return sum(sum(groups.values()) for groups in self.held.values())

    def add(self, tier: Tier, bucket: int, key: str, before: bytes | None, now: bytes, part: str = "") -> None:
        """Count what a key takes from now on, in place of what it took before."""
        more = cost(key, now) - (cost(key, before) if before is not None else 0)
        groups = self.held.setdefault(-tier.step_s if part == tiers.WORKERS else tier.step_s, {})
        group = bucket // _GROUPS[tier.step_s] * _GROUPS[tier.step_s]
        groups[group] = groups.get(group, 0) + more

    def expire(self, cursor: MetricsCursor, now_s: int, rollup_days: int) -> None:
        """Forget the groups that the server has removed: rolled into the next tier, and over their time."""
        for tier, part in product(TIERS, ("", tiers.WORKERS)):
            groups, size = self.held.get(-tier.step_s if part else tier.step_s, {}), _GROUPS[tier.step_s]
            keep = tiers.expires_in(tier, -tier.step_s, 0, rollup_days, part)
            rolled = cursor.rolled.get(size, 0) if tier is not TIERS[-1] else now_s
            for group in [g for g in groups if g + size <= min(rolled, now_s - keep)]:
                del groups[group]

    def droppable(self, cursor: MetricsCursor) -> Iterator[tuple[Tier, range]]:
        """Yield the groups of buckets that may go, as (tier, their buckets), in this order: finest tier, oldest group.

        What is not in the next tier yet may not go, and of the last tier the newest group may not.
        """
        for tier in TIERS:
            groups = sorted(self.held.get(tier.step_s, {}).keys() | self.held.get(-tier.step_s, {}).keys())
            size = _GROUPS[tier.step_s]
            until = cursor.rolled.get(size, 0) if tier is not TIERS[-1] else groups[-1] if groups else 0
            for group in groups:
                if group + size <= until:
                    yield tier, range(group, group + size, tier.step_s)

    def drop(self, tier: Tier, buckets: range) -> None:
        """Forget a group."""
        for step in (tier.step_s, -tier.step_s):
            self.held.get(step, {}).pop(buckets.start, None)

    def dump(self) -> bytes:
        """Return its bytes."""
        return packing.pack([VERSION, self.held])

    @classmethod
    def load(cls, raw: bytes | None) -> TierBytes:
        """Return what is in its bytes; of broken ones, or a newer version's, nothing is known."""
        try:
            version, held = packing.unpack(raw) if raw else (VERSION, {})
            found = {int(step): {int(g): int(n) for g, n in groups.items()} for step, groups in held.items()}
        except packing.BROKEN:
            return cls()
        return cls(found if version == VERSION else {})


def cost(key: str, data: bytes) -> int:
    """Return what a string takes in the server.

    >>> cost("cm:{shop:0}:r:60:1763636400:tq", b"x" * 1000)
    1166
    """
    return packing.allocated(len(data)) + len(key) + _KEY_BYTES
