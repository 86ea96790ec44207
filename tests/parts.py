"""What the tests need beside Python: where it is, how to get it, and what happens when it is missing."""

from __future__ import annotations

import functools
import os
import shutil
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from celery_monitor.cli import embedded

ROOT: Final = Path(__file__).resolve().parents[1]


class Part(NamedTuple):
    """A program: the names it goes by, and the line that installs it on Debian."""

    programs: tuple[str, ...]
    install: str


PARTS: Final = {
    "chromium": Part(("chromium", "chromium-browser", "google-chrome"), "apt-get install chromium"),
    "promtool": Part(("promtool",), "apt-get install prometheus"),
    "prometheus": Part(("prometheus",), "apt-get install prometheus"),
    "redis-server": Part(("redis-server", "valkey-server"), "apt-get install redis-server"),
    "rabbitmq": Part(("/usr/lib/rabbitmq/bin/rabbitmq-server",), "apt-get install rabbitmq-server"),
    "node": Part(("node",), "apt-get install nodejs"),
    "git": Part(("git",), "apt-get install git"),
}


@functools.cache
def find(name: str) -> str | None:
    """Return the path of a part, None when the machine lacks it."""
    for program in PARTS[name].programs:
        if path := shutil.which(program):
            return path
    if name == "redis-server":
        return embedded.find_server() if _any_server() else None
    return None


def require(name: str) -> str:
    """Return the path of a part; without it skip the test with the install line, or fail when ``CI=true``.

    >>> require("redis-server").endswith("-server")
    True
    """
    if path := find(name):
        return path
    reason = f"{name} is not installed (Debian: {PARTS[name].install})"
    if in_ci():
        pytest.fail(f"{reason}; with CI=true a missing part fails", pytrace=False)
    pytest.skip(reason)


def in_ci() -> bool:
    """Whether this is a continuous-integration run, where nothing may be skipped for want of a part."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def _any_server() -> bool:
    try:
        embedded.find_server()
    except embedded.EmbeddedServerError:
        return False
    return True
