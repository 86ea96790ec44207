"""What is seen of a beat from inside, and that it never notices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler, SchedulingError
from celery.schedules import crontab, schedule

from celery_monitor.agent import beat as module
from celery_monitor.agent import details
from celery_monitor.agent.beat import BeatWatch, described
from celery_monitor.agent.keeping import Keeping
from celery_monitor.details import Fire
from celery_monitor.model import Batch
from celery_monitor.signals import fires
from celery_monitor.signals.record import Kind, pack_id

RING = b"ring-one"
LONG_AGO = datetime(2026, 1, 1, tzinfo=timezone.utc)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Fire]:
    """The records that would go into the ring, decoded."""
    found: list[Fire] = []

    def put(kind: int, payload: bytes) -> None:
        _, rows = details.decode(kind, payload, RING, "beat@a") or ("", [])
        found.extend(rows)

    monkeypatch.setattr(fires.process, "put", put)
    return found


@pytest.fixture
def app(redis_url: str) -> Iterator[Celery]:
    made = Celery("clock", broker=redis_url, set_as_current=False)
    made.conf.broker_connection_retry = False
    yield made
    made.close()


def watched(app: Celery, **entries: Any) -> Scheduler:
    scheduler = Scheduler(app, schedule={}, lazy=True)
    for name, timing in entries.items():
        scheduler.data[name] = ScheduleEntry(name, f"clock.{name}", LONG_AGO, 0, timing, app=app)
    scheduler.schedule = scheduler.data
    BeatWatch(SimpleNamespace(scheduler=scheduler), "ab" * 16, "beat@a")
    return scheduler


def test_what_is_sent_is_told_with_when_it_was_due_and_will_be(app: Celery, told: list[Fire]) -> None:
    scheduler = watched(app, report=schedule(timedelta(hours=1), app=app))

    result = scheduler.apply_async(scheduler.schedule["report"])

    (fire,) = told
    assert (fire.id, fire.entry, fire.task, fire.beat, fire.key) == (
        pack_id(result.id), "report", "clock.report", "beat@a", RING,
    )  # fmt: skip
    assert fire.due_us == (LONG_AGO + timedelta(hours=1)).timestamp() * 1e6
    assert fire.next_us == fire.at_us + 3_600_000_000
    assert fire.skipped == (fire.at_us - fire.due_us) // 3_600_000_000


def test_what_a_crontab_skipped_is_counted(app: Celery, told: list[Fire]) -> None:
    scheduler = watched(app, nightly=crontab(hour=4, minute=0, app=app))
    scheduler.schedule["nightly"].last_run_at = datetime.now(timezone.utc) - timedelta(days=5)

    scheduler.apply_async(scheduler.schedule["nightly"])

    assert told[0].skipped == 4, "five nights, of which this is one"


def test_a_broker_that_refuses_is_told_and_beat_hears_of_it_as_ever(redis_url: str, told: list[Fire]) -> None:
    with Celery("clock", broker="redis://127.0.0.1:1/0", set_as_current=False) as app:
        app.conf.task_publish_retry = False
        app.conf.broker_transport_options = {"max_retries": 0}
        scheduler = watched(app, report=schedule(timedelta(hours=1), app=app))
        with pytest.raises(SchedulingError):
            scheduler.apply_async(scheduler.schedule["report"])

    (fire,) = told
    assert (fire.id, fire.entry) == (b"", "report")
    assert fire.error.startswith("SchedulingError: Couldn't apply scheduled task report")


class Odd(schedule):
    """A schedule that cannot say when it is due."""

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        raise RuntimeError("I do not know")


def test_a_mistake_of_ours_is_none_of_beats(app: Celery, told: list[Fire]) -> None:
    scheduler = watched(app, odd=Odd(timedelta(hours=1), relative=True, app=app))

    assert scheduler.apply_async(scheduler.schedule["odd"]).id
    assert told == []


def test_our_own_tick_is_not_told(app: Celery, told: list[Fire]) -> None:
    scheduler = watched(app)
    entry = ScheduleEntry(module.TICK, module.TICK, LONG_AGO, 0, schedule(timedelta(seconds=5), app=app), app=app)

    scheduler.apply_async(entry, advance=False)

    assert told == []


@pytest.mark.parametrize(
    ("timing", "kind"),
    [
        (schedule(timedelta(seconds=30)), {"kind": "interval", "every_s": 30.0}),
        (crontab(minute="*/5", hour="8-17"), {"kind": "crontab", "cron": ["*/5", "8-17", "*", "*", "*"]}),
    ],
)
def test_entries_are_described_without_their_arguments(app: Celery, timing: Any, kind: dict[str, Any]) -> None:
    entry = ScheduleEntry(
        "e", "clock.e", LONG_AGO, 7, timing, ("secret",), {"token": "secret"}, {"queue": "q"}, app=app
    )  # fmt: skip

    found = described(entry)

    assert found.items() >= kind.items()
    assert (found["entry"], found["task"], found["queue"], found["total"]) == ("e", "clock.e", "q", 7)
    assert "secret" not in repr(found)


def test_sendings_are_kept_where_runs_are_sampled() -> None:
    keeping = Keeping()
    keeping.one_in = 1024
    rows = [Fire(pack_id(f"r{n}"), b"", RING, "e", "t", "beat@a", "", n, 0, 0, 0) for n in range(50)]
    batch = Batch(b"b" * 16, 1, "a", 0, details={"fires": list(rows)})

    keeping.thin(batch)

    assert batch.details["fires"] == rows


def test_a_record_that_is_cut_off_is_refused() -> None:
    with pytest.raises(ValueError, match="cut off"):
        details.decode(Kind.FIRE, b"\0" * 20, RING, "beat@a")
