"""The answer about schedules, from what beats have written and what the fold keeps of their sendings."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.details import Fire
from celery_monitor.model import Batch
from celery_monitor.query.overdue import Overdue
from celery_monitor.query.reader import Reader
from celery_monitor.query.schedule import _Cron
from celery_monitor.query.times import iso
from celery_monitor.signals.record import pack_id
from celery_monitor.store import inbox, live, schedule
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.query.test_documented import examples, same
from tests.store.batches import NOW_US, agent, attempt

S = 1_000_000
BOOTS = [b"boot-of-a-beat-1", b"boot-of-a-beat-2", b"boot-of-a-beat-3"]
ENTRY = {
    "entry": "each minute", "task": "shop.charge", "enabled": True, "kind": "interval", "every_s": 60.0, "text": "",
    "queue": "", "total": 3, "last_us": 0, "next_us": 0,
}  # fmt: skip


def beat(
    store: Store, n: int = 0, at_us: int = NOW_US, *entries: dict[str, Any], ahead_s: int = 0, **fields: Any
) -> None:
    """Write what one beat has to send, by its clock, with the live state of its agent, by the store's."""
    boot, its_us = BOOTS[n], at_us + ahead_s * S
    inbox.send(store, None, agent(boot, role="beat", hostname="beat@a", at_us=at_us, queues=[], clock_us=ahead_s * S))
    about = {"boot": boot.hex(), "beat": "beat@a", "scheduler": "PersistentScheduler", "at_us": its_us}
    schedule.write_beat(store, about | {"loop_us": its_us, "sleep_s": 5.0, "entries": entries or [ENTRY]} | fields)


def sent(ago_s: float, n: int = 0, key: bytes = b"ring-one", **fields: Any) -> Fire:
    at = NOW_US - round(ago_s * S)
    values = {
        "id": pack_id(f"run-{n}"), "run": b"", "key": key, "entry": "each minute", "task": "shop.charge",
        "beat": "beat@a", "error": "", "at_us": at, "due_us": at, "next_us": at + 60 * S, "skipped": 0,
    }  # fmt: skip
    return Fire(**{**values, **fields})


def hand_in(store: Store, fires: list[Fire], n: int = 1) -> None:
    ends = [attempt(k, id=fire.id, at_us=fire.at_us + S) for k, fire in enumerate(fires) if fire.id]
    inbox.send(store, Batch(BOOTS[0], n, "a", NOW_US, attempts=ends, details={"fires": fires}), None)
    fold(store, NOW_US)


def test_the_answer_has_the_documented_shape(store: Store) -> None:
    beat(store)
    hand_in(store, [sent(600 - 60 * n, n) for n in range(5)] + [sent(30, 9)])
    (documented,) = examples("/schedule?window=24h")

    found = Reader(store).schedule("1h", NOW_US)

    same({**found, "entries": []}, {**documented, "entries": []})
    (row,) = found["entries"]
    (wanted,) = documented["entries"]
    assert row.keys() == wanted.keys()
    same(row["ledger"], wanted["ledger"])
    assert row["runs"][0].keys() == row["ledger"][0].keys() | wanted["runs"][0].keys() - {"…"}


def test_expected_and_actual_runs_are_held_against_each_other(store: Store) -> None:
    beat(store)
    hand_in(store, [sent(600 - 60 * n, n) for n in range(5)] + [sent(30, 9)])

    found = Reader(store).schedule("1h", NOW_US)

    (row,) = found["entries"]
    assert (row["expected"], row["sent"], row["on_time"], row["late"], row["missed"]) == (10, 6, 5, 1, 4)
    assert [(line["state"], line["count"]) for line in row["ledger"]] == [("late", 1), ("missed", 4)]
    assert (found["enabled"], found["total"], row["schedule"]) == (1, 1, "every minute")
    assert row["runs"][0]["execution_state"] == "SUCCESS"
    assert row["runtime_seconds"]["count"] == 6
    assert row["overlapping"] == 0


def test_a_batch_that_comes_twice_is_in_the_ledger_once(store: Store) -> None:
    beat(store)
    for n in (1, 2, 3):
        hand_in(store, [sent(60)], n)

    (row,) = Reader(store).schedule("1h", NOW_US)["entries"]

    assert row["sent"] == 1
    assert store.client.zcard(store.keys.fires) == 1


def test_sendings_are_bounded(store: Store, monkeypatch: Any) -> None:
    monkeypatch.setattr(schedule, "MOST_FIRES", 10)
    hand_in(store, [sent(600 - n, n) for n in range(40)])

    kept = schedule.fires(store, 0)

    assert len(kept) == 10
    assert kept[-1].id == pack_id("run-39")
    assert schedule.oldest_us(store) == kept[0].at_us


def test_two_beats_with_the_same_entry_are_told_of(store: Store) -> None:
    beat(store, 0)
    beat(store, 1)
    beat(store, 2, NOW_US, {**ENTRY, "entry": "its own", "enabled": False})
    hand_in(store, [sent(60, 1), sent(59, 2, b"ring-two")])

    found = Reader(store).schedule("1h", NOW_US)

    assert found["notes"] == ["2 beats run and have entries in common, which are sent by each: each minute"]
    assert (found["entries"][0]["duplicate"], found["entries"][0]["beats"]) == (1, ["beat@a", "beat@a"])
    assert (found["enabled"], found["total"]) == (1, 2)


def test_a_beat_whose_loop_stands_still_is_stalled_and_a_silent_one_lost(store: Store) -> None:
    beat(store, loop_us=NOW_US - 40 * S)
    found = Reader(store).schedule("1h", NOW_US)
    assert found["beats"][0]["state"] == "stalled"
    assert found["notes"] == ["beat@a does not come round its loop any more: it sends nothing"]

    found = Reader(store).schedule("1h", NOW_US + 60 * S)
    assert found["beats"][0]["state"] == "lost"
    assert found["notes"] == ["no beat runs: nothing is sent"]
    assert found["total"] == 1, "what it had to send is still shown"


@pytest.mark.parametrize("ahead_s", [-300, 300])
def test_a_beat_whose_clock_is_off_is_held_against_its_own_clock(store: Store, ahead_s: int) -> None:
    beat(store, ahead_s=ahead_s)
    hand_in(store, [sent(150 - 60 * n - ahead_s, n) for n in range(3)])

    found = Reader(store).schedule("1h", NOW_US)

    assert [(row["state"], row["seen_at"]) for row in found["beats"]] == [("ok", iso(NOW_US))]
    assert (found["entries"][0]["on_time"], found["entries"][0]["missed"]) == (3, 0)
    assert Overdue().look(store, live.agents(store), NOW_US) == {"each minute": 0.0}
    assert Overdue().look(store, live.agents(store), NOW_US + 90 * S) == {"each minute": 60.0}


def test_what_is_not_folded_yet_is_not_missed(store: Store) -> None:
    """Nobody has ticked for minutes: what was sent meanwhile waits to be read."""
    beat(store)
    hand_in(store, [sent(600 - 60 * n, n) for n in range(3)])
    pace: Any = {"folded_us": NOW_US - 475 * S, "interval_s": 5.0, "by": "b", "role": "task", "agents": 1, "queues": []}
    live.set_pace(store, pace)
    (row,) = Reader(store).schedule("1h", NOW_US)["entries"]
    assert (row["sent"], row["missed"]) == (3, 0)
    live.set_pace(store, {**pace, "folded_us": NOW_US})
    (row,) = Reader(store).schedule("1h", NOW_US)["entries"]
    assert row["missed"] == 7


def test_what_is_switched_off_is_never_missed(store: Store) -> None:
    beat(store, 0, NOW_US, {**ENTRY, "enabled": False})
    hand_in(store, [sent(600)])

    found = Reader(store).schedule("1h", NOW_US)

    assert (found["enabled"], found["total"]) == (0, 1)
    assert (found["entries"][0]["missed"], found["entries"][0]["next_due_at"]) == (0, None)


def test_an_entry_that_was_removed_keeps_its_history(store: Store) -> None:
    beat(store)
    hand_in(store, [sent(600, entry="old one")])

    rows = {row["entry"]: row for row in Reader(store).schedule("1h", NOW_US)["entries"]}

    assert (rows["old one"]["schedule"], rows["old one"]["sent"]) == ("no longer scheduled", 1)


def test_the_times_of_a_crontab_are_celerys_own() -> None:
    quarter = _Cron(["*/15", "*", "*", "*", "*"], "UTC")
    start = 1_763_640_000 * S
    assert [(at - start) / S for at in quarter(start, start + 3600 * S)] == [0, 900, 1800, 2700, 3600]
    berlin = _Cron(["30", "2", "*", "*", "*"], "Europe/Berlin")
    first = 1_774_488_600 * S  # 2026-03-26 02:30 in Berlin, three nights before the clocks go forward
    assert [(at - first) / S / 3600 for at in berlin(first, first + 2 * 86_400 * S)] == [0, 24, 48]


def test_what_was_due_a_moment_ago_is_not_missed_before_news_of_it_can_be_there(store: Store) -> None:
    beat(store)
    hand_in(store, [sent(70, 1)])  # due again each minute: 10 s ago

    (row,) = Reader(store).schedule("1h", NOW_US)["entries"]

    assert (row["missed"], row["ledger"]) == (0, [])
    (later,) = Reader(store).schedule("1h", NOW_US + 10 * S)["entries"]
    assert later["missed"] == 1


def test_a_beat_that_starts_over_and_over_does_not_fill_the_store(store: Store) -> None:
    for n in range(40):
        schedule.write_beat(store, {"boot": f"{n:032x}", "beat": "beat@a", "at_us": NOW_US + n, "entries": [ENTRY]})
    found = schedule.beats(store)
    assert len(found) <= 21
    assert found[0]["boot"] == f"{39:032x}"
