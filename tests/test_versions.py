"""What must hold on every supported combination of Python, Celery and Flower; each has its environment."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.processes import CeleryProcess
from tests.waiting import until

pytestmark = [pytest.mark.cross, pytest.mark.timeout(240)]

MINIMAL = ROOT / "examples/minimal"
TASKS = 30


@pytest.fixture
def flower(redis_url: str, tmp_path: Path) -> Iterator[int]:
    """A Flower of the smallest example; its port."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = int(s.getsockname()[1])
    command = ["flower", "--address=127.0.0.1", f"--port={port}"]
    log = tmp_path / "flower.log"
    process = CeleryProcess("tasks", command, log, ready="", env={"CELERY_BROKER_URL": redis_url}, cwd=MINIMAL)
    process.start()
    until(lambda: get(port, "/monitor")[0] == 200, seconds=60, what="Flower's tab")
    yield port
    process.stop()


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def publish(url: str) -> None:
    code = f"from tasks import add\nfor n in range({TASKS}): add.delay(n, n)"
    environment = {**os.environ, "PYTHONPATH": f"{MINIMAL}{os.pathsep}{ROOT}", "CELERY_BROKER_URL": url}
    subprocess.run([sys.executable, "-c", code], cwd=MINIMAL, env=environment, check=True)


def test_every_task_is_recorded_and_the_tab_the_metrics_and_the_command_line_say_so(
    worker: WorkerFactory, redis_url: str, flower: int
) -> None:
    worker("tasks", cwd=MINIMAL)
    publish(redis_url)
    wanted = f'"ended":{TASKS}'
    until(lambda: wanted in get(flower, "/monitor/api/v1/summary")[1].replace(" ", ""), seconds=40, what=wanted)
    assert ">Monitor<" in get(flower, "/")[1]
    status, metrics = get(flower, "/monitor/metrics")
    assert status == 200
    assert "celery_task_succeeded_total" in metrics
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "CELERY_BROKER_URL": redis_url}
    command = [sys.executable, "-m", "celery", "-A", "tasks", "monitor", "status"]
    done = subprocess.run(command, cwd=MINIMAL, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "tasks.add" in done.stdout
