"""pytest-celery's own fixtures on whichever engine answers: Docker, or processes of this machine.

``SMOKE=docker`` insists on Docker and fails without; ``SMOKE=local`` never asks for it.
"""

from __future__ import annotations

import gc
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import docker
import pytest
import pytest_celery
from celery import Celery
from pytest_docker_tools import build, exceptions

from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests import parts
from tests.smoke import tasks
from tests.smoke.engine import LocalDocker

celery_base_worker_image = build(path=str(parts.ROOT), tag="celery-monitor/smoke", rm=True)
"""The worker's image: ours instead of pytest-celery's, whose Python and packages are its own."""


@pytest.fixture(scope="session")
def docker_client() -> Iterator[Any]:
    """The engine that runs the containers."""
    wish = os.environ.get("SMOKE", "")
    client = None if wish == "local" else _docker()
    if client is not None:
        yield client
        client.close()
        return
    if wish == "docker":
        pytest.fail("SMOKE=docker, but no Docker engine answers", pytrace=False)
    parts.require("redis-server")
    with pytest.MonkeyPatch.context() as patch:
        _adapt(patch)
        yield LocalDocker()


def _docker() -> Any | None:
    """Return Docker's client when an engine answers."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the SDK leaves a socket open where nobody answers
        try:
            client = docker.from_env(timeout=3)
            client.ping()
        except Exception:  # whatever does not answer is no engine
            client = None
        gc.collect()
    return client


def _adapt(patch: pytest.MonkeyPatch) -> None:
    """Poll often, and take the mapped port even when the tests themselves run in a container."""
    for name in ("pytest_docker_tools.wrappers.container", "pytest_docker_tools.factories.container"):
        patch.setattr(sys.modules[name], "wait_for_callable", _wait)
    for name in ("pytest_celery.api.container", "pytest_celery.api.base"):
        patch.setattr(sys.modules[name], "wait_for_callable", _wait)
    patch.setattr(sys.modules["pytest_docker_tools.wrappers.container"], "tests_inside_container", lambda: False)


def _wait(message: str, func: Callable[[], Any], timeout: float = 30) -> None:
    end = time.monotonic() + timeout
    while not func():
        if time.monotonic() > end:
            raise exceptions.TimeoutError(f"{message}: not within {timeout:g} s")
        time.sleep(0.05)


@pytest.fixture
def celery_broker(celery_redis_broker: pytest_celery.RedisTestBroker) -> pytest_celery.RedisTestBroker:
    """Redis alone; the plugin's default runs every test on RabbitMQ too."""
    return celery_redis_broker


@pytest.fixture
def celery_backend_cluster() -> None:
    """No results: what happened is asked of the monitor."""


@pytest.fixture
def default_redis_broker_command() -> list[str]:
    """A broker that remembers over a restart."""
    command = pytest_celery.RedisContainer.command()
    command[command.index("--appendonly") + 1] = "yes"
    return command


@pytest.fixture
def default_worker_command() -> list[str]:
    """The plugin's worker, small and quick to start."""
    quick = ("--concurrency", "1", "--without-gossip", "--without-mingle")
    return pytest_celery.CeleryWorkerContainer.command(*quick)


@pytest.fixture
def default_worker_app_module() -> ModuleType:
    """An app with the install line: its source alone is wanted, here it must not be run."""
    spec = spec_from_file_location("worker_app", Path(__file__).with_name("worker_app.py"))
    assert spec is not None
    return module_from_spec(spec)


@pytest.fixture
def default_worker_tasks() -> set[ModuleType]:
    """Our tasks beside the plugin's ping."""
    from pytest_celery.vendors.worker import tasks as its_tasks

    return {tasks, its_tasks}


@pytest.fixture
def celery_setup_app(celery_setup_app: Celery) -> Iterator[Celery]:
    """The plugin's app, its connections closed after the test."""
    yield celery_setup_app
    celery_setup_app.pool.force_close_all()
    celery_setup_app.close()


@pytest.fixture
def recorded(celery_setup: pytest_celery.CeleryTestSetup) -> Iterator[Callable[[str], int]]:
    """``recorded("smoke.add")``: ends of a task, as the monitor has them in the broker's Redis."""
    url = celery_setup.broker.config()["host_url"]
    store = Store.open(url, celery_setup.app.main, timeout_s=5.0)
    reader = Reader(store)

    def count(task: str) -> int:
        return sum(cell.ended for series, cell in reader.lifetime().items() if series[:2] == ("task", task))

    yield count
    store.close()
