"""Wrong settings, several apps in one process, several fleets in one store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celery_monitor.errors import ConfigurationError
from celery_monitor.monitor import Monitor
from celery_monitor.store.connection import Store
from tests.agent import actors
from tests.agent.test_crash import forked
from tests.monitor.shop import AFTER, BEFORE, module
from tests.parts import ROOT
from tests.signals.apart import apart


def several(first: dict[str, Any], second: dict[str, Any]) -> str:
    apps = [Celery(name, broker="redis://127.0.0.1:1/0") for name in ("one", "two")]
    for app, settings in zip(apps, (first, second), strict=True):
        app.conf.update(settings)
        app.conf.broker_url  # noqa: B018 - configures it
    Monitor(apps[0])
    try:
        Monitor(apps[1])
    except ConfigurationError as error:
        return str(error)
    return apps[1].celery_monitor.settings.namespace  # type: ignore[no-any-return]


def test_a_second_app_with_the_same_settings_joins_the_first() -> None:
    assert apart(several, {}, {}) == "one"
    assert apart(several, {"monitor_namespace": "n"}, {"monitor_namespace": "n"}) == "n"


@pytest.mark.parametrize("other", [{"monitor_namespace": "other"}, {"monitor_url": "redis://127.0.0.1:2/0"}])
def test_a_second_app_with_other_settings_is_refused_and_told_which(other: dict[str, Any]) -> None:
    said = apart(several, {"monitor_namespace": "n"}, {"monitor_namespace": "n", **other})
    assert next(iter(other)) in said
    assert "'two'" in said
    assert "'one'" in said


@pytest.mark.parametrize("command", ["worker", "beat"])
@pytest.mark.parametrize("text", [BEFORE, AFTER], ids=["configured before", "after"])
def test_a_wrong_setting_ends_the_process_with_one_line_that_says_what_to_do(
    redis_url: str, tmp_path: Path, command: str, text: str
) -> None:
    module(tmp_path, text.replace("task_ignore_result=True", "monitor_tick_intervall=3"))
    done = subprocess.run(
        [sys.executable, "-m", "celery", "-A", "shop", command],
        cwd=tmp_path,
        env={**os.environ, "CELERY_BROKER_URL": redis_url, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=30,
    )
    lines = [line for line in done.stdout.splitlines() if "monitor_tick_intervall" in line]
    assert done.returncode == 2, done.stdout
    assert len(lines) == 1, done.stdout
    assert "did you mean 'monitor_tick_interval'?" in lines[0]
    assert "Traceback" not in done.stdout


def collide(place: str, url: str) -> tuple[bool, bool]:
    """Return whether a second fleet was let in under a name it chose, and under one that was derived."""
    store = Store.open(url, "celery")

    def first() -> None:
        actors.worker_parent(Path(place))
        actors.round_(actors.agent(Path(place), store, owner="fleet one", namespace_is_default=True))
        os.kill(os.getpid(), signal.SIGKILL)

    forked(first)
    actors.worker_parent(Path(place))
    derived = actors.agent(Path(place), store, owner="fleet two", namespace_is_default=True)
    actors.round_(derived)
    chosen = actors.agent(Path(place), store, owner="fleet two", namespace_is_default=False)
    chosen.instance = derived.instance
    actors.round_(chosen)
    return not chosen._stop.is_set(), not derived._stop.is_set()


def test_a_default_name_that_another_fleet_uses_is_refused_and_a_chosen_one_is_shared(
    redis_url: str, tmp_path: Path
) -> None:
    assert apart(collide, str(tmp_path), redis_url) == (True, False)
