from __future__ import annotations

import socket
from pathlib import Path

import pytest

from celery_monitor.cli import preflight
from celery_monitor.cli.preflight import DemoError


def test_a_taken_port_is_named_and_a_free_one_offered() -> None:
    with socket.socket() as taken:
        taken.bind((preflight.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match=rf"port {port} on 127\.0\.0\.1 is taken; .*--port \d+"):
            preflight.choose_port(port)
    assert preflight.choose_port(port) == port


def test_port_0_takes_one_that_is_free() -> None:
    with socket.socket() as other:
        other.bind((preflight.HOST, preflight.choose_port(0)))


def test_the_shop_is_found_in_the_source_tree() -> None:
    assert (preflight.find_examples() / "shop" / "app.py").is_file()


def test_without_the_sources_the_error_says_where_it_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "__file__", str(tmp_path / "site-packages/celery_monitor/cli/preflight.py"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DemoError, match="clone the repository"):
        preflight.find_examples()


def test_without_flower_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "find_spec", lambda name: None)
    with pytest.raises(DemoError, match=r"pip install 'celery-monitor\[demo\]'"):
        preflight.check_flower()


def test_what_would_redirect_celery_or_flower_does_not_reach_the_demo(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://production/0")
    monkeypatch.setenv("CELERY_MONITOR_URL", "redis://production/1")
    monkeypatch.setenv("FLOWER_PORT", "1")
    monkeypatch.setenv("CELERY_MONITOR_FLUSH_INTERVAL", "2")
    env = preflight.environment("redis+socket:///x", tmp_path / "ledger", tmp_path)
    assert not [value for value in env.values() if "production" in value]
    assert "FLOWER_PORT" not in env
    assert env["CELERY_MONITOR_FLUSH_INTERVAL"] == "2"
    assert env["SHOP_REDIS_URL"] == "redis+socket:///x"
