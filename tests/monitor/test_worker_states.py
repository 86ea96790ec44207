"""Real workers in each state that is no good one: gone, taking nothing, with a clock that is off; and what says so."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celery_monitor.query import workers
from celery_monitor.query.reader import Reader
from celery_monitor.store import lease
from celery_monitor.store.connection import Store
from tests.conftest import WorkerFactory
from tests.monitor.shop import AFTER, ENV
from tests.parts import ROOT
from tests.processes import CeleryProcess
from tests.waiting import until

pytestmark = pytest.mark.timeout(300)  # a loaded machine takes its time to start all of it
SECOND = 1_000_000
AHEAD_S = 90
APP = """
import os
from celery.signals import worker_ready

@worker_ready.connect
def stop_taking(sender, **_):
    if "NUMB" in os.environ:  # as after a reconnect that went wrong: Celery believes that it consumes
        sender.task_consumer.cancel()
"""
CLOCK = f"""
import time

real, real_ns = time.time, time.time_ns
time.time, time.time_ns = lambda: real() + {AHEAD_S}, lambda: real_ns() + {AHEAD_S}_000_000_000
"""


@pytest.fixture
def fleet(worker: WorkerFactory, tmp_path: Path) -> dict[str, CeleryProcess]:
    """A worker that will stop, one that will be gone, one that takes nothing, one whose clock is ahead."""
    (tmp_path / "shop.py").write_text(AFTER + APP)
    (tmp_path / "ahead").mkdir()
    (tmp_path / "ahead/sitecustomize.py").write_text(CLOCK)
    env = {**ENV, "CELERY_MONITOR_QUEUE_INTERVAL": "1", "CELERY_MONITOR_RESOURCE_INTERVAL": "1"}
    more = {
        "stopped": {}, "lost": {}, "numb": {"NUMB": "1"},
        "ahead": {"PYTHONPATH": os.pathsep.join([str(tmp_path / "ahead"), str(ROOT)])},
    }  # fmt: skip
    return {
        name: worker("shop:app", pool="solo", hostname=f"{name}@here", queues=["fed" if name == "numb" else "celery"],
                     cwd=tmp_path, env={**env, **each})
        for name, each in more.items()
    }  # fmt: skip


def told(store: Store, later_s: float = 0.0) -> dict[str, tuple[str, str | None]]:
    """Return the state and the note of each worker, as they are told then."""
    rows: list[dict[str, Any]] = Reader(store).workers("15m", lease.now_us(store) + round(later_s * SECOND))["workers"]
    return {row["worker"].partition("@")[0]: (row["state"], row["note"]) for row in rows}


def test_a_worker_that_stopped_is_gone_takes_nothing_or_has_another_clock_says_so(
    fleet: dict[str, CeleryProcess], redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "IDLE_US", SECOND)  # two samples of the queue are awaited anyhow
    store = Store.open(redis_url, "shop")
    with Celery("sender", broker=redis_url, set_as_current=False) as sender:
        until(lambda: fleet.keys() <= told(store).keys(), seconds=60, what="all are heard of")
        until(lambda: "fed" in Reader(store).queues_now(), seconds=60, what="its queue was seen while it was empty")
        for _ in range(3):
            sender.send_task("job", queue="fed")
        until(lambda: [told(store)[n] for n in ("stopped", "lost")] == [("ok", None)] * 2, seconds=60, what="both work")
        until(lambda: told(store)["numb"][0] == "zombie", seconds=150, what="a zombie")
        assert sender.control.ping(["numb@here"], timeout=10, limit=1) == [{"numb@here": {"ok": "pong"}}]
    state, note = told(store)["numb"]
    assert state == "zombie"
    assert re.fullmatch(r"it took nothing for \d+ s with 1 free slot, and fed never emptied", note or "")

    state, note = told(store)["ahead"]
    assert (state, round(float(note.split()[3]), -1)) == ("skewed", AHEAD_S)  # type: ignore[union-attr]
    assert note.endswith("s ahead of the store's")  # type: ignore[union-attr]

    fleet["stopped"].stop()
    fleet["lost"].kill()
    until(lambda: told(store)["stopped"][0] == "stopped", seconds=60, what="its goodbye")
    assert told(store)["stopped"][1] == "it said goodbye"
    state, note = told(store, later_s=60)["lost"]
    assert (state, note.endswith(" s, and it said no goodbye")) == ("lost", True)  # type: ignore[union-attr]
    assert Reader(store).worker("lost@here", "15m")["lives"][0]["stopped"] is False  # type: ignore[index]
    store.close()
