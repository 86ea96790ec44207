"""`Monitor(app)`: one line, whatever the app looks like, and whatever is wrong with the store."""

from __future__ import annotations

import os
import shutil
import signal
import socketserver
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from celery_monitor.agent import folder
from celery_monitor.agent.drain import RingReader
from celery_monitor.errors import ConfigurationError
from celery_monitor.model import PUBLISHED
from celery_monitor.monitor import Monitor
from celery_monitor.query.reader import Reader
from celery_monitor.signals.record import Kind, State
from celery_monitor.signals.ring import open_ring
from celery_monitor.store.connection import Store
from tests.agent import actors
from tests.agent.test_crash import forked
from tests.agent.test_outage import Server
from tests.conftest import WorkerFactory
from tests.parts import ROOT
from tests.signals.apart import apart
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


@pytest.fixture
def runtime_dir(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder for the rings of one test: what a refused store leaves in it is adopted by nobody else's worker."""
    made = tempfile.mkdtemp(prefix="celery-monitor-test-", dir="/dev/shm")
    monkeypatch.setenv("CELERY_MONITOR_RUNTIME_DIR", made)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(autouse=True)
def own_rings(runtime_dir: str) -> None:
    """Publishers share the folder with the workers of their test."""


@pytest.fixture
def store(redis_url: str) -> Iterator[Store]:
    found = Store.open(redis_url, "shop", timeout_s=5.0)
    yield found
    found.close()


def counts(store: Store) -> dict[str, int]:
    """Return how often each state was counted since ever, and the publishes."""
    total: dict[str, int] = {}
    for cell in Reader(store).lifetime().values():
        for key, n in cell.counts.items():
            name = "PUBLISHED" if key == PUBLISHED else State(key).name
            total[name] = total.get(name, 0) + n
    return {name: n for name, n in total.items() if n}


def ended_in(place: Path) -> int:
    """Return how many ends lie in the rings of a folder."""
    found = 0
    for path in place.glob("*.ring"):
        ring = open_ring(path)
        found += sum(kind == Kind.ATTEMPT for kind, _ in RingReader(ring).take(10**6))
        ring.close()
    return found


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


# -- the install line ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [BEFORE, AFTER, DJANGO, PROXY], ids=["configured before", "after", "Django", "proxy"])
def test_one_line_is_all_there_is_to_do(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path, text: str
) -> None:
    """Also the publisher's side: a script that ends at once has shipped what it published."""
    module(tmp_path, text)
    process = worker("shop:app", pool="solo", concurrency=1, cwd=tmp_path, env=ENV)
    assert publish(tmp_path, redis_url, 5) == ""
    comes_to(store, {"PUBLISHED": 5, "SUCCESS": 5})
    assert "celery-monitor" not in process.log, "nothing to say"


def test_a_prefork_worker_records_everything_also_of_children_that_are_killed(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path
) -> None:
    module(tmp_path, AFTER)
    process = worker("shop:app", concurrency=2, cwd=tmp_path, env=ENV)
    publish(tmp_path, redis_url, 200)
    publish(tmp_path, redis_url, 1, task="die")
    publish(tmp_path, redis_url, 100)

    def complete() -> bool:
        found = counts(store)
        return found.get("PUBLISHED") == 301 and found.get("SUCCESS") == 300 and found.get("FAILURE") == 1

    until(complete, seconds=40, what=f"301 ends, not {counts(store)}\n{process.log[-2000:]}")
    # A child killed at once may be given its task a second time, and the first attempt has no other end than LOST.
    assert set(counts(store)) <= {"PUBLISHED", "SUCCESS", "FAILURE", "LOST"}


def test_a_killed_worker_loses_nothing_that_had_ended(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path
) -> None:
    """The whole group dies before its agent has ever flushed; the next worker on the host ships what it left."""
    module(tmp_path, AFTER)
    slow = {**ENV, "CELERY_MONITOR_FLUSH_INTERVAL": "60"}
    process = worker("shop:app", concurrency=2, cwd=tmp_path, env=slow)
    publish(tmp_path, redis_url, 50)
    place, _ = folder.find(os.environ.get("CELERY_MONITOR_RUNTIME_DIR"), "shop", redis_url)
    assert place is not None
    found = [0, 0]

    def ended() -> bool:
        found[:] = ended_in(place), counts(store).get("SUCCESS", 0)
        return sum(found) >= 50

    try:
        until(ended)
    except AssertionError as error:
        raise AssertionError(f"in rings and counted: {found}") from error
    process.kill()
    worker("shop:app", pool="solo", concurrency=1, cwd=tmp_path, env=ENV)
    comes_to(store, {"PUBLISHED": 50, "SUCCESS": 50})


@pytest.mark.parametrize("where", ["/nonexistent"])
def test_without_a_tmpfs_a_prefork_worker_records_everything_and_says_so(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path, where: str
) -> None:
    module(tmp_path, AFTER)
    env = {**ENV, "CELERY_MONITOR_RUNTIME_DIR": where}
    worker("shop:app", concurrency=2, cwd=tmp_path, env=env)
    publish(tmp_path, redis_url, 100, env=env)
    publish(tmp_path, redis_url, 1, task="die", env=env)
    until(
        lambda: counts(store).get("SUCCESS") == 100 and counts(store).get("FAILURE") == 1,
        what=f"101 ends, not {counts(store)}",
    )
    notes = Reader(store).health()["notes"]
    assert any(where in note for note in notes), notes


# -- several apps --------------------------------------------------------------------------------------------


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


# -- wrong settings ------------------------------------------------------------------------------------------


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


# -- a store that does not answer, or not as it should -------------------------------------------------------


def run_with(worker: WorkerFactory, at: Path, broker: str, url: str) -> Any:
    """Start a worker whose store is elsewhere, run three tasks, and wait for the one warning."""
    module(at, AFTER)
    env = {**ENV, "CELERY_MONITOR_URL": url}
    process = worker("shop:app", concurrency=1, cwd=at, env=env)
    publish(at, broker, 3)
    until(lambda: process.log.count("succeeded in") == 3, what="the tasks ran")
    until(lambda: warnings(process.log), what="a warning")
    return process


def warnings(log: str) -> list[str]:
    return [line for line in log.splitlines() if "celery-monitor:" in line and "tasks run on" in line]


def test_an_unreachable_store_costs_one_warning_and_gets_everything_when_it_comes(
    worker: WorkerFactory, redis_url: str, tmp_path: Path
) -> None:
    server = Server(tmp_path)
    process = run_with(worker, tmp_path, redis_url, server.url)
    try:
        assert "cannot be reached" in warnings(process.log)[0]
        server.start()
        store = Store.open(server.url, "shop")
        until(lambda: counts(store).get("SUCCESS") == 3, what="three successes")
        store.close()
        assert len(warnings(process.log)) == 1
        assert "answers again" in process.log
    finally:
        server.stop()


def test_a_wrong_password_is_named_and_everything_is_shipped_once_it_is_right(
    worker: WorkerFactory, redis_url: str, tmp_path: Path
) -> None:
    server = Server(tmp_path)
    server.start()
    client = redis.Redis(unix_socket_path=str(server.socket))
    try:
        client.config_set("requirepass", "right")
        url = server.url.replace("redis+socket://", "redis+socket://:wrong@")
        process = run_with(worker, tmp_path, redis_url, url)
        assert "credentials" in warnings(process.log)[0]
        assert ":wrong@" not in process.log
        client.execute_command("AUTH", "right")
        client.config_set("requirepass", "wrong")
        store = Store.open(url, "shop")
        until(lambda: counts(store).get("SUCCESS") == 3, what="three successes")
        store.close()
    finally:
        client.close()
        server.stop()


def test_a_newer_store_is_left_alone_until_it_is_not(
    worker: WorkerFactory, redis_url: str, store: Store, tmp_path: Path
) -> None:
    store.client.hset(store.keys.meta, mapping={"write": 99, "min_read": 99})
    process = run_with(worker, tmp_path, redis_url, redis_url)
    assert "upgrade" in warnings(process.log)[0]
    assert store.client.exists(store.keys.inbox_metrics, store.keys.live) == 0
    store.client.delete(store.keys.meta)
    until(lambda: counts(store).get("SUCCESS") == 3, what="three successes")


def test_a_server_that_is_no_redis_is_named(worker: WorkerFactory, redis_url: str, tmp_path: Path) -> None:
    class Web(socketserver.BaseRequestHandler):
        """Answers as a web server does that is spoken to in Redis' protocol."""

        def handle(self) -> None:
            while self.request.recv(4096):
                self.request.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Web) as web:
        web.daemon_threads = True
        thread = threading.Thread(target=web.serve_forever)
        thread.start()
        try:
            process = run_with(worker, tmp_path, redis_url, f"redis://127.0.0.1:{web.server_address[1]}/0")
            assert "does not answer like a Redis" in warnings(process.log)[0]
            assert len(warnings(process.log)) == 1
        finally:
            web.shutdown()
            thread.join()


# -- another fleet under the same default name ---------------------------------------------------------------


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


# -- producers -----------------------------------------------------------------------------------------------

NO_THREADS = """
import threading
start = threading.Thread.start
def refuse(self):
    if self.name.startswith("celery-monitor"):
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = refuse
"""


def test_a_process_that_can_start_no_thread_ships_at_its_exit(redis_url: str, store: Store, tmp_path: Path) -> None:
    module(tmp_path, NO_THREADS + AFTER)
    said = publish(tmp_path, redis_url, 5)
    assert counts(store) == {"PUBLISHED": 5}
    assert "can't start new thread" in said
    assert "atexit" not in said


def test_a_publisher_whose_store_is_away_ends_in_time(redis_url: str, tmp_path: Path) -> None:
    module(tmp_path, AFTER)
    publish(tmp_path, redis_url, 2, env={"CELERY_MONITOR_URL": "redis://127.0.0.1:1/0"})
