"""An entry is overdue by what was sent of it, whatever a beat that has just started believes."""

from __future__ import annotations

from typing import Any

from celery_monitor.query.overdue import Overdue
from celery_monitor.store import live
from celery_monitor.store.connection import Store
from tests.query.test_schedule import ENTRY, S, beat, hand_in, sent
from tests.store.batches import NOW_US

DAY_S = 86_400
NIGHTLY = {**ENTRY, "entry": "nightly", "kind": "crontab", "cron": ["0", "4", "*", "*", "*"], "zone": "UTC"}
FOUR_US = (NOW_US // S // DAY_S * DAY_S + 4 * 3600) * S
"""Four in the morning of that day, UTC."""


def look(store: Store, later_s: float = 0.0, overdue: Overdue | None = None, now_us: int = NOW_US) -> dict[str, float]:
    return (overdue or Overdue()).look(store, live.agents(store), now_us + round(later_s * S))


def test_it_counts_from_the_last_time_it_was_sent(store: Store) -> None:
    beat(store)
    hand_in(store, [sent(200), sent(140, 1)])
    assert look(store) == {"each minute": 80.0}
    assert look(store, later_s=-100) == {"each minute": 0.0}


def test_a_beat_that_starts_anew_and_waits_for_the_next_day_has_missed_it(store: Store) -> None:
    """Without its schedule file Celery takes every entry as sent just now."""
    yesterday = sent(0, entry="nightly", at_us=FOUR_US - DAY_S * S, next_us=FOUR_US)
    now_us = FOUR_US + 300 * S
    beat(store, 0, now_us, {**NIGHTLY, "total": 0, "last_us": now_us, "next_us": FOUR_US + DAY_S * S})
    assert look(store, now_us=now_us) == {"nightly": 0.0}, "nobody knows of an earlier time"
    hand_in(store, [yesterday])
    assert look(store, now_us=now_us) == {"nightly": 300.0}


def test_what_could_not_be_sent_is_still_due_and_what_is_switched_off_is_not(store: Store) -> None:
    beat(store, 0, NOW_US, ENTRY, {**ENTRY, "entry": "off", "enabled": False})
    hand_in(store, [sent(100), sent(40, 1, id=b"", error="OperationalError: gone"), sent(100, 2, entry="off")])
    assert look(store) == {"each minute": 40.0}


def test_a_look_reads_only_what_is_new_and_one_that_starts_later_finds_the_same(store: Store) -> None:
    overdue, read = Overdue(), 0

    def count() -> None:
        nonlocal read
        read += 1

    beat(store)
    hand_in(store, [sent(5000 - n, n % 3, key=b"%d" % n) for n in range(1500)])
    before = overdue.look(store, live.agents(store), NOW_US, count)
    assert read == 1, "a pause between two pages"
    overdue.look(store, live.agents(store), NOW_US, count)
    assert read == 1
    hand_in(store, [sent(65, 7)], n=2)
    assert before == {"each minute": 3441.0}
    assert look(store, 0, overdue) == look(store) == {"each minute": 5.0}


def test_a_beat_that_nobody_has_heard_of_for_a_day_is_done_away_with(store: Store) -> None:
    beat(store, 0, NOW_US, {**ENTRY, "next_us": NOW_US})
    assert look(store, later_s=DAY_S - 1)
    assert look(store, later_s=DAY_S + 1) == {}


def test_a_schedule_that_makes_no_sense_is_due_at_no_time(store: Store) -> None:
    beat(
        store, 0, NOW_US, {**NIGHTLY, "cron": ["0", "25", "*", "*", "*"]}, {**ENTRY, "entry": "never", "every_s": 1e400}
    )
    hand_in(store, [sent(100, entry="nightly"), sent(100, 1, entry="never")])
    assert look(store) == {}


def test_without_any_sending_the_beat_is_believed(store: Store) -> None:
    entry: dict[str, Any] = {**ENTRY, "next_us": NOW_US - 70 * S}
    beat(store, 0, NOW_US, entry)
    assert look(store) == {"each minute": 70.0}
