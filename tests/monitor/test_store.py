"""A store that does not answer, or not as it should: tasks run on, and nothing is lost that can be kept."""

from __future__ import annotations

import socketserver
import threading
from pathlib import Path
from typing import Any

import redis

from celery_monitor.store.connection import Store
from tests.agent.test_outage import Server
from tests.conftest import WorkerFactory
from tests.monitor.shop import AFTER, ENV, counts, module, publish
from tests.waiting import until


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
