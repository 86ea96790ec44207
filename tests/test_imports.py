"""What importing us costs: nothing at the root, Celery alone in signals, no face in a worker."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from tests.parts import ROOT

FACES = {"tornado", "flower", "prometheus_client"}

APP = """
import json, os, sys
from celery import Celery, signals
from celery_monitor import Monitor

app = Celery("light")
Monitor(app)

@signals.heartbeat_sent.connect(weak=False)
def beats(**_):
    os.write(1, json.dumps(sorted({name.partition(".")[0] for name in sys.modules})).encode())
    os._exit(0)

app.Worker(pool="solo", without_gossip=True, without_mingle=True, heartbeat_interval=0.5).start()
"""


def loaded(statement: str) -> set[str]:
    """Return the top-level modules that a statement adds to a fresh Python."""
    code = (
        f"import sys, json; before = set(sys.modules); {statement}; print(json.dumps(list(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


def third_party(names: set[str]) -> set[str]:
    return {name for name in names if name not in sys.stdlib_module_names and not name.startswith("_")}


def test_the_root_package_imports_no_third_party() -> None:
    assert third_party(loaded("import celery_monitor")) == {"celery_monitor"}


def test_signals_import_what_celery_imports_and_nothing_more() -> None:
    celery = third_party(loaded("import celery.app.trace, celery.app.task, celery.signals, celery.exceptions"))
    assert third_party(loaded("import celery_monitor.signals.handlers")) <= celery | {"celery_monitor"}


def test_signals_import_nothing_else_of_ours() -> None:
    code = (
        "import sys, celery_monitor.signals.handlers; print([m for m in sys.modules if m.startswith('celery_monitor')])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    names = done.stdout.replace("celery_monitor.signals", "").replace("'celery_monitor'", "")
    assert "celery_monitor" not in names


def test_signals_under_another_name_are_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import signals"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode
    assert "import celery_monitor.signals" in done.stderr


def test_a_worker_with_an_agent_loads_no_face(redis_url: str) -> None:
    """Started without Celery's command line, which itself loads every installed command, Flower's included."""
    done = subprocess.run(
        [sys.executable, "-c", APP],
        env={**os.environ, "CELERY_BROKER_URL": redis_url, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    names = set(json.loads(done.stdout.splitlines()[-1]))
    assert {"celery_monitor", "redis", "psutil"} <= names
    assert names & FACES == set()
