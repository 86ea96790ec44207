"""While Redis is away memory is bounded, no counter is lost, and everything is shipped once when it returns."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from celery_monitor.agent.thread import Agent
from celery_monitor.signals import process
from celery_monitor.store.connection import Store
from tests import parts
from tests.agent import actors, stored
from tests.agent.test_crash import forked
from tests.signals.apart import apart
from tests.waiting import until


class Server:
    """A Redis that can be stopped and started again under the same address; what it held is gone then."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "r.sock"
        self.url = f"redis+socket://{self.socket}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [parts.require("redis-server"), "--port", "0", "--unixsocket", str(self.socket), "--save", ""]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=self.socket.parent)
        client = redis.Redis(unix_socket_path=str(self.socket))

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        until(answers, step=0.01)
        client.close()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def shipped(agent: Agent) -> None:
    """Do rounds until nothing waits."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        actors.round_(agent)
        instance = agent.instance
        if not agent.failing and instance is not None and instance.flush is None and not instance.more:
            return
    raise AssertionError(f"not shipped: {agent.failing}")


def with_server(scenario: Callable[[Server, Path, Store], dict[str, Any]], folder: str, shm: str) -> dict[str, Any]:
    server = Server(Path(folder))
    store = Store.open(server.url, "outage", timeout_s=5.0)
    try:
        return scenario(server, Path(shm), store)
    finally:
        server.stop()


def long_outage(folder: str, shm: str) -> dict[str, Any]:
    def scenario(server: Server, place: Path, store: Store) -> dict[str, Any]:
        process.place.size = 64 * 1024
        actors.worker_parent(place)
        agent = actors.agent(place, store, buffer_bytes=1 << 20)
        held = 0
        for number in range(9000):
            actors.run(f"task-{number}")
            if number % 150 == 0:
                actors.round_(agent)
                assert agent.instance is not None
                held = max(held, len(agent.instance.ends.attempts))
        failing = agent.failing
        server.start()
        shipped(agent)
        rows, _ = stored.folded(store)
        losses = agent.instance.losses() if agent.instance else {}
        return {
            "failing": failing,
            "held": held,
            "rows": len(rows),
            "uids": len(stored.final(rows)),
            "losses": losses,
            "counted": stored.counted(store),
        }

    return with_server(scenario, folder, shm)


def test_an_outage_longer_than_the_ring_costs_rows_within_the_bound_and_no_counter(tmp_path: Path, shm: Path) -> None:
    found = apart(long_outage, str(tmp_path), str(shm))
    assert "cannot be reached" in found["failing"]
    assert found["counted"] == {"SUCCESS": 9000}
    assert found["held"] < 6000
    assert found["losses"] == {"execution_buffer_full": 9000 - found["rows"]}
    assert found["uids"] == found["rows"] > 2000


def short_outage(folder: str, shm: str) -> dict[str, Any]:
    def scenario(server: Server, place: Path, store: Store) -> dict[str, Any]:
        server.start()
        actors.worker_parent(place)
        agent = actors.agent(place, store)
        actors.run("before")
        shipped(agent)
        server.stop()
        for number in range(100):
            actors.run(f"during-{number}")
            if number % 30 == 0:
                actors.round_(agent)
        server.start()
        shipped(agent)
        rows, _ = stored.folded(store)
        return {"ends": stored.ends(rows), "losses": agent.instance.losses() if agent.instance else {}}

    return with_server(scenario, folder, shm)


def test_what_ran_during_a_short_outage_is_all_there_afterwards(tmp_path: Path, shm: Path) -> None:
    found = apart(short_outage, str(tmp_path), str(shm))
    assert found["ends"] == {f"during-{n}": [("SUCCESS", "OK")] for n in range(100)}
    assert found["losses"] == {}


def death_after(folder: str, shm: str) -> dict[str, Any]:
    def scenario(server: Server, place: Path, store: Store) -> dict[str, Any]:
        def worker() -> None:
            process.place.size = 64 * 1024
            actors.worker_parent(place)
            agent = actors.agent(place, store)
            for number in range(250):
                actors.run(f"first-{number}")
            actors.round_(agent)
            for number in range(50):
                actors.run(f"second-{number}")
            actors.round_(agent)
            assert agent.instance is not None
            assert agent.instance.spilled
            server.start()
            for number in range(50):
                actors.run(f"third-{number}")
            for _ in range(2):
                actors.round_(agent)
            assert agent.instance.flush is None
            assert not agent.instance.more
            os.kill(os.getpid(), signal.SIGKILL)

        died = forked(worker)
        server.process = None
        actors.worker_parent(place)
        agent = actors.agent(place, store)
        for _ in range(5):
            actors.round_(agent)
        rows, _ = stored.folded(store)
        counted = stored.counted(store)
        store.client.shutdown(nosave=True)
        return {"died": died, "rows": len(rows), "counted": counted}

    return with_server(scenario, folder, shm)


def test_a_death_right_after_an_outage_doubles_nothing(tmp_path: Path, shm: Path) -> None:
    found = apart(death_after, str(tmp_path), str(shm))
    assert found["died"] == -signal.SIGKILL
    assert found["counted"] == {"SUCCESS": 350}
    assert found["rows"] == 350
