"""Apps with the install line in every place, who publishes to them, and what was counted of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from celery_monitor.model import PUBLISHED
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import State
from celery_monitor.store.connection import Store
from tests.parts import ROOT
from tests.waiting import until

FAST = "CELERY_MONITOR_TICK_INTERVAL=1 CELERY_MONITOR_FLUSH_INTERVAL=0.2"
ENV = dict(pair.split("=", 1) for pair in FAST.split(" "))

BEFORE = """
from celery import Celery
from celery_monitor import Monitor
app = Celery("shop")
app.conf.update(task_ignore_result=True)
app.conf.broker_url
Monitor(app)
"""
AFTER = """
from celery import Celery
from celery_monitor import Monitor
app = Celery("shop")
Monitor(app)
app.conf.update(task_ignore_result=True)
"""
DJANGO = """
from types import SimpleNamespace
from celery import Celery
from celery_monitor import Monitor
app = Celery("mysite")
settings = SimpleNamespace(CELERY_TASK_IGNORE_RESULT=True, CELERY_MONITOR_NAMESPACE="shop", MONITOR_BOGUS=1, DEBUG=True)
app.config_from_object(settings, namespace="CELERY")
Monitor(app)
"""
PROXY = """
from celery import Celery, current_app, shared_task
from celery_monitor import Monitor
app = Celery("shop", set_as_current=True)
Monitor(current_app)
"""
TASKS = """
@app.task(name="job")
def job(): ...

@app.task(name="die")
def die():
    import os, signal
    os.kill(os.getpid(), signal.SIGKILL)
"""


def module(at: Path, text: str) -> None:
    (at / "shop.py").write_text(text + TASKS)


def publish(at: Path, url: str, times: int, *, task: str = "job", env: dict[str, str] | None = None) -> str:
    """Publish from a script that ends at once; return what it printed."""
    code = f"import shop\nfor _ in range({times}): shop.{task}.delay()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=at,
        env={**os.environ, **ENV, "CELERY_BROKER_URL": url, "PYTHONPATH": f"{at}:{ROOT}", **(env or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def counts(store: Store) -> dict[str, int]:
    """Return how often each state was counted since ever, and the publishes."""
    total: dict[str, int] = {}
    for cell in Reader(store).lifetime().values():
        for key, n in cell.counts.items():
            name = "PUBLISHED" if key == PUBLISHED else State(key).name
            total[name] = total.get(name, 0) + n
    return {name: n for name, n in total.items() if n}


def comes_to(store: Store, expected: dict[str, int], seconds: float = 30.0) -> None:
    found: dict[str, int] = {}

    def reached() -> bool:
        found.clear()
        found.update(counts(store))
        return found == expected

    try:
        until(reached, seconds=seconds)
    except AssertionError as error:
        raise AssertionError(f"{expected}, not {found}") from error
