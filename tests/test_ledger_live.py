"""The ledger of real beats: killed and started again, two at once, and what ran too long, as it really was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.processes import CeleryProcess
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)  # a loaded machine takes its time to start all of it

APP = """
import time
from celery import Celery
from celery.schedules import crontab
from celery_monitor import Monitor

app = Celery("clock")
app.conf.monitor_tick_interval = 1
app.conf.monitor_flush_interval = 0.2
app.conf.beat_max_loop_interval = 1
app.conf.monitor_alerts = {"schedule_missed": {"threshold": 10}}
app.conf.beat_schedule = {
    "each second": {"task": "clock.note", "schedule": 1.0, "args": ("tick",)},
    "slow one": {"task": "clock.slow", "schedule": 2.0, "options": {"queue": "slow"}},
    "nightly": {"task": "clock.note", "schedule": crontab(hour=4, minute=0), "args": ("night",)},
}
Monitor(app)

@app.task(name="clock.note")
def note(what):
    with open("seen", "a") as out:
        out.write(f"{time.time()} {what}\\n")

@app.task(name="clock.slow")
def slow():
    time.sleep(5)
"""


@pytest.fixture
def reader(redis_url: str) -> Iterator[Reader]:
    store = Store.open(redis_url, "clock", timeout_s=5.0)
    yield Reader(store)
    store.close()


@pytest.fixture
def beat(redis_url: str, tmp_path: Path) -> Iterator[Callable[[str], CeleryProcess]]:
    """Start a beat with a schedule file and a log of its own name."""
    started: list[CeleryProcess] = []
    (tmp_path / "clock.py").write_text(APP)
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}

    def start(name: str) -> CeleryProcess:
        command = ["beat", "--schedule", str(tmp_path / name), "--loglevel", "INFO", "--pidfile", ""]
        log = tmp_path / f"{name}-{len(started)}.log"
        started.append(CeleryProcess("clock:app", command, log, ready="beat: Starting", env=env, cwd=tmp_path))
        return started[-1].start()

    yield start
    for process in started:
        process.stop()


def entries(reader: Reader) -> dict[str, dict[str, Any]]:
    return {row["entry"]: row for row in reader.schedule("15m")["entries"]}


def sent_by(process: CeleryProcess, entry: str) -> int:
    """What beat's own log says that it has sent."""
    return process.log.count(f"Sending due task {entry} ")


def second(reader: Reader) -> dict[str, Any]:
    return entries(reader).get("each second", {"sent": 0, "runs": [], "ledger": []})


def missed_alert(reader: Reader) -> str | None:
    """Return the state of the alert about the entry."""
    subject = ("schedule_missed", "each second")
    return next((row["state"] for row in reader.alerts() if (row["rule"], row["subject"]) == subject), None)


def test_a_beat_that_was_killed_and_started_again_has_missed_what_it_did_not_send(
    worker: WorkerFactory, beat: Callable[[str], CeleryProcess], reader: Reader, tmp_path: Path
) -> None:
    worker("clock:app", pool="threads", concurrency=4, queues=["celery", "slow"], cwd=tmp_path)
    first = beat("schedule")
    until(lambda: second(reader)["sent"] >= 4, seconds=60, what="four were sent")
    sent = sent_by(first, "each second")
    first.process.send_signal(signal.SIGKILL)  # type: ignore[union-attr]
    first.process.wait()  # type: ignore[union-attr]
    sent = max(sent, sent_by(first, "each second"))
    until(lambda: second(reader)["missed"] >= 4, seconds=60, what="four more were due")
    until(lambda: missed_alert(reader) == "firing", seconds=30, what="somebody is told that it is overdue")
    again = beat("another")
    until(lambda: second(reader)["sent"] >= sent + 3, seconds=60, what="the new one sends")
    again.stop()
    found = until(
        lambda: (row := second(reader))["sent"] == sent + sent_by(again, "each second") and row,
        seconds=30, what="every sending of both beats is in the ledger",
    )  # fmt: skip
    until(lambda: missed_alert(reader) == "resolved", seconds=30, what="it is sent again")
    outages = [
        line for line in found["ledger"] if line["reason"] == "no beat ran" and line["due_at"] < found["last_sent_at"]
    ]
    assert [line["state"] for line in outages] == ["missed"], "one gap, from the kill to the new beat"
    assert outages[0]["count"] >= 4
    assert found["expected"] == found["on_time"] + found["late"] + found["missed"]
    assert found["duplicate"] == 0
    slow = entries(reader)["slow one"]
    assert slow["overlapping"] > 0, "each takes five seconds and comes every two"
    assert found["overlapping"] == 0
    assert found["runtime_seconds"]["count"] > 0
    summary = reader.summary("15m")
    assert summary["schedules"] == {"enabled": 3, "total": 3}
    assert "celery_monitor.tick" not in str(reader.schedule("15m"))


def test_two_beats_at_once_send_everything_twice_and_are_told_of(
    worker: WorkerFactory, beat: Callable[[str], CeleryProcess], reader: Reader, tmp_path: Path
) -> None:
    worker("clock:app", pool="threads", concurrency=4, queues=["celery", "slow"], cwd=tmp_path)
    both = [beat("one"), beat("two")]
    until(lambda: second(reader)["sent"] >= 12, seconds=60, what="twelve were sent")
    until(
        lambda: [row["state"] for row in reader.schedule("15m")["beats"]] == ["ok", "ok"],
        seconds=30, what="both beats have told their entries",
    )  # fmt: skip
    found = reader.schedule("15m")
    assert any(note.startswith("2 beats run and have entries in common") for note in found["notes"])
    for process in both:
        process.stop()
    total = sum(sent_by(process, "each second") for process in both)
    row = until(lambda: (r := second(reader))["sent"] == total and r, seconds=30, what="all of both are in the ledger")
    alone = abs(sent_by(both[0], "each second") - sent_by(both[1], "each second"))
    assert row["on_time"] + row["late"] + row["duplicate"] == total
    assert abs(row["duplicate"] - (total - alone) / 2) <= 2, "of each second one is the run, the other a duplicate"
    lines = (tmp_path / "seen").read_text().splitlines()
    assert sum(line.endswith("tick") for line in lines) >= total - 4, "the worker ran what both sent"


def test_an_embedded_beat_tells_its_entries_in_plain_words(
    worker: WorkerFactory, reader: Reader, tmp_path: Path
) -> None:
    (tmp_path / "clock.py").write_text(APP)
    options = ["-B", "--schedule-filename", str(tmp_path / "embedded")]
    worker("clock:app", queues=["celery", "slow"], options=options, cwd=tmp_path)
    until(lambda: second(reader)["sent"] >= 3, seconds=60, what="three were sent")
    found = reader.schedule("15m")
    rows = {row["entry"]: row for row in found["entries"]}
    assert {name: row["schedule"] for name, row in rows.items()} == {
        "each second": "every second", "slow one": "every 2 seconds", "nightly": "every day at 04:00 UTC",
    }  # fmt: skip
    assert rows["nightly"]["next_due_at"].endswith("T04:00:00.000000Z")
    assert rows["nightly"]["last_sent_at"] is None
    assert (rows["slow one"]["queue"], rows["each second"]["task"]) == ("slow", "clock.note")
    (beat,) = found["beats"]
    assert (beat["state"], beat["scheduler"]) == ("ok", "PersistentScheduler")
    run = until(
        lambda: next((r for r in second(reader)["runs"] if r["execution_state"] == "SUCCESS"), None),
        seconds=30, what="a run with its execution",
    )  # fmt: skip
    assert run["runtime_seconds"] is not None


DJANGO = """
import os, sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="for tests", USE_TZ=True, TIME_ZONE="Europe/Berlin",
    INSTALLED_APPS=["django_celery_beat"], DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "beat.sqlite3"}},
)
django.setup()
from celery import Celery
from celery_monitor import Monitor

app = Celery("clock")
app.conf.monitor_tick_interval = 1
app.conf.monitor_flush_interval = 0.2
app.conf.beat_max_loop_interval = 1
app.conf.timezone = "Europe/Berlin"
Monitor(app)

@app.task(name="clock.note")
def note():
    pass

if __name__ == "__main__":
    from django.core.management import call_command
    from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

    call_command("migrate", verbosity=0)
    second = IntervalSchedule.objects.create(every=1, period="seconds")
    night = CrontabSchedule.objects.create(minute="30", hour="4", day_of_week="mon-fri", timezone="Europe/Berlin")
    PeriodicTask.objects.create(name="each second", task="clock.note", interval=second)
    PeriodicTask.objects.create(name="nightly", task="clock.note", crontab=night)
    PeriodicTask.objects.create(name="switched off", task="clock.note", interval=second, enabled=False)
"""


def test_entries_of_a_database_are_seen_with_those_that_are_switched_off(
    worker: WorkerFactory, redis_url: str, reader: Reader, tmp_path: Path
) -> None:
    (tmp_path / "djclock.py").write_text(DJANGO)
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    subprocess.run([sys.executable, "djclock.py"], cwd=tmp_path, check=True, env={**os.environ, "PYTHONPATH": path})
    worker("djclock:app", pool="solo", cwd=tmp_path)
    command = ["beat", "-S", "django", "--loglevel", "INFO", "--pidfile", ""]
    env = {"CELERY_BROKER_URL": redis_url, "CELERY_RESULT_BACKEND": redis_url}
    beat = CeleryProcess("djclock:app", command, tmp_path / "beat.log", ready="beat: Starting", env=env, cwd=tmp_path)
    beat.start()
    try:
        until(lambda: second(reader)["sent"] >= 3, seconds=60, what="three were sent")
        found = until(lambda: (page := reader.schedule("15m"))["total"] == 4 and page, seconds=60, what="all entries")
    finally:
        beat.stop()
    rows = {row["entry"]: row for row in found["entries"]}
    assert (found["enabled"], found["total"]) == (3, 4)
    assert {name: (row["enabled"], row["schedule"]) for name, row in rows.items()} == {
        "celery.backend_cleanup": (True, "every day at 04:00 Europe/Berlin"),
        "each second": (True, "every second"),
        "nightly": (True, "Monday to Friday at 04:30 Europe/Berlin"),
        "switched off": (False, "every second"),
    }
    assert found["beats"][0]["scheduler"] == "DatabaseScheduler"
    assert rows["each second"]["duplicate"] == 0
