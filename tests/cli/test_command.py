"""`celery monitor` as a user types it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests import fleet
from tests.parts import ROOT
from tests.waiting import until

APP = """
from celery import Celery
from celery_monitor import Monitor

app = Celery("shop")
Monitor(app)
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def environment(tmp_path: Path, redis_url: str) -> dict[str, str]:
    """Variables under which `celery` finds our entry point, installed or not, and the module `proj`."""
    info = tmp_path / "celery_monitor_entry-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: celery-monitor-entry\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[celery.commands]\nmonitor = celery_monitor.cli.command:monitor\n")
    (tmp_path / "proj.py").write_text(APP)
    redirects = re.compile("CELERY_(?!MONITOR_RUNTIME_DIR)|FLOWER_")
    kept = {name: value for name, value in os.environ.items() if not redirects.match(name)}
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    return {**kept, "PYTHONPATH": path, "COLUMNS": "100", "CELERY_BROKER_URL": redis_url}


@pytest.fixture
def celery(environment: dict[str, str], tmp_path: Path) -> Run:
    """Run ``celery ...`` to its end."""

    def run(*words: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "celery", *words]
        env = environment | more
        return subprocess.run(command, capture_output=True, text=True, env=env, cwd=tmp_path, timeout=60, check=False)

    return run


def test_status_shows_the_totals_of_an_app(celery: Run, store: Store) -> None:
    done = celery("-A", "proj", "monitor", "status")

    assert done.returncode == 0, done.stderr
    assert "130 succeeded   2 failed   8 retried" in done.stdout
    assert re.search(r"^shop\.charge +100 +2 +8 +97\.8 %", done.stdout, re.MULTILINE)
    assert "■ celery@a" not in done.stdout
    assert "\x1b" not in done.stdout


def test_status_needs_nothing_but_the_broker(celery: Run, store: Store, redis_url: str) -> None:
    done = celery("-b", redis_url, "monitor", "status", CELERY_BROKER_URL="")

    assert done.returncode == 0, done.stderr
    assert "shop   last 1 h" in done.stdout.splitlines()[0]


def test_status_as_json_is_the_apis_summary(celery: Run, store: Store) -> None:
    done = celery("-A", "proj", "monitor", "status", "--json", "--window", "15m")

    found: dict[str, Any] = json.loads(done.stdout)
    summary = Reader(store).summary("15m")
    assert found.keys() == summary.keys()
    assert found["window"]["seconds"] == 900
    assert found["tasks"][0]["ended"] == summary["tasks"][0]["ended"]


def test_on_a_terminal_what_is_wrong_has_a_colour(environment: dict[str, str], store: Store, tmp_path: Path) -> None:
    parent, child = os.openpty()
    command = [sys.executable, "-m", "celery", "-A", "proj", "monitor", "status"]
    subprocess.run(command, stdout=child, env=environment, cwd=tmp_path, timeout=60, check=True)
    os.close(child)

    shown = b""
    while b"folded" not in shown:
        shown += os.read(parent, 65536)
    os.close(parent)

    assert b"\x1b[33m\xe2\x96\xb2 Warning" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("status", "--window", "5x"), "window: '5x'"),
        (("status", "--namespace", "other"), "the app's Monitor has namespace 'shop'"),
    ],
)
def test_bad_input_is_one_line(celery: Run, store: Store, words: tuple[str, ...], said: str) -> None:
    done = celery("-A", "proj", "monitor", *words)

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_store_that_is_gone_is_one_line(celery: Run) -> None:
    done = celery("-b", "redis://:secret@127.0.0.1:1/0", "monitor", "status")

    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
    assert "secret" not in done.stderr
    assert "Traceback" not in done.stderr


def test_of_several_namespaces_one_has_to_be_named(celery: Run, store: Store, redis_url: str) -> None:
    fleet.record(Store.open(redis_url, "other"))

    unclear = celery("-b", redis_url, "monitor", "status")
    named = celery("-b", redis_url, "monitor", "status", "--namespace", "other")

    assert "--namespace with one of other, shop" in unclear.stderr
    assert named.returncode == 0, named.stderr


def test_without_flower_it_says_what_to_install(celery: Run, environment: dict[str, str], tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "flower"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError('No module named flower', name='flower')\n")
    path = os.pathsep.join((str(hidden.parent), environment["PYTHONPATH"]))

    done = celery("-A", "proj", "monitor", PYTHONPATH=path)

    assert done.returncode == 1
    assert "pip install 'celery-monitor[flower]'" in done.stderr


def test_what_celery_imports_for_every_command_is_light(environment: dict[str, str]) -> None:
    code = "import sys, celery_monitor.cli.command; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)

    heavy = {"flower", "tornado", "redis", "prometheus_client", "psutil"}
    assert heavy & {name.split(".")[0] for name in done.stdout.split()} == set()


def test_without_a_subcommand_flower_runs_with_its_own_options_and_our_tab(
    environment: dict[str, str], store: Store, tmp_path: Path, redis_url: str
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = ["-b", redis_url, "monitor", "--address=127.0.0.1", f"--port={port}"]
    log = (tmp_path / "flower.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", *words], env=environment, cwd=tmp_path, stdout=log, stderr=log
    )
    try:
        page = until(lambda: fetched(f"http://127.0.0.1:{port}/monitor"), seconds=60)
        assert "Monitor" in page
        assert "celery_task_succeeded_total" in (fetched(f"http://127.0.0.1:{port}/monitor/metrics") or "")
    finally:
        process.kill()
        process.wait(20)
        log.close()


def fetched(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None
