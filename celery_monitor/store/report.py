"""What one run of the fold did, and the counts of what it left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from celery_monitor.store.commit import Commit
from celery_monitor.store.keys import Keys

UNDECODABLE = "entries that cannot be decoded"
LATE = "counters older than 24 h"
LATE_ROWS = "executions older than 24 h"
AHEAD = "counters from a clock ahead, booked now"
FULL = "executions, server memory above 70 %"
TOO_MANY_WAITS = "waits, more than 10000 open"
TOO_MANY_RETRIED = "turnarounds, more than 20000 executions are being retried"
DROPPED = {
    step: f"buckets of {name} dropped early, the rollups' share of memory is used up"
    for step, name in {10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 21_600: "6 h"}.items()
}
"""Step of a tier to what is said of its buckets that had to go."""
BROKEN_BLOB = "stored blobs that cannot be decoded"


@dataclass(slots=True)
class FoldReport:
    """What a run of the fold did.

    Attributes:
        batches: taken; duplicates: left out because they were taken before.
        rows: task rows put into blocks.
        commits: made; races: commits in which somebody else was faster.
        skipped: what was left out and how often; also summed up in the store under `Keys.skipped`.
        more: whether work was left for the next run.
        aside: why nothing was folded, None when it was.
    """

    batches: int = 0
    duplicates: int = 0
    rows: int = 0
    commits: int = 0
    races: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    more: bool = False
    aside: str | None = None

    def committed(self, step: Step) -> None:
        """Add a step that was committed."""
        self.commits += 1
        self.batches += step.batches
        self.duplicates += step.duplicates
        self.rows += step.rows
        self.skipped.update(step.skipped)


@dataclass(slots=True)
class Step:
    """The counts of one commit; they count only when it succeeds."""

    batches: int = 0
    duplicates: int = 0
    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)

    def write(self, commit: Commit, keys: Keys) -> None:
        """Add what was left out to the totals in the store."""
        for what, n in self.skipped.items():
            commit.add("HINCRBY", keys.skipped, what, n)
