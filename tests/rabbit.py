"""A private RabbitMQ for tests: a node, ports, cookie and files of its own, ended by pid."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Final, final

from celery_monitor.cli import child
from tests import parts
from tests.waiting import until

START_S: Final = 120.0
"""An Erlang node needs 11 s on an idle machine."""
_CONFIG: Final = """
listeners.tcp.1 = 127.0.0.1:{amqp}
management.tcp.ip = 127.0.0.1
management.tcp.port = {api}
collect_statistics_interval = 1000
vm_memory_high_watermark.absolute = 512MB
disk_free_limit.absolute = 1MB
log.console = true
log.file = false
"""


@final
class Rabbit:
    """A node for as long as the `with` block lasts.

    Attributes:
        url: for Celery.
        api: of the management plugin, with its credentials.
    """

    def __init__(self) -> None:
        self._program = parts.require("rabbitmq")
        self._folder = Path(tempfile.mkdtemp(prefix="cm-rabbit-"))
        self._started: list[subprocess.Popen[bytes]] = []
        amqp, self._api_port, self._dist, self._epmd = _free_ports(4)
        (self._folder / "node.conf").write_text(_CONFIG.format(amqp=amqp, api=self._api_port))
        (self._folder / "plugins").write_text("[rabbitmq_management].\n")
        self.url = f"amqp://guest:guest@127.0.0.1:{amqp}//"
        self.api = f"http://guest:guest@127.0.0.1:{self._api_port}"

    def __enter__(self) -> Rabbit:
        env = self._environment()
        try:
            # Erlang would leave its name server behind; one that runs already is not started by it.
            self._start(["epmd", "-port", str(self._epmd), "-address", "127.0.0.1"], env)
            until(lambda: _listens(self._epmd), what="epmd")
            node = self._start([self._program], env)
            until(lambda: self._answers(node), seconds=START_S, step=0.2, what="RabbitMQ ready")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the node, then its name server, and remove its files."""
        for process in reversed(self._started):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        self._started.clear()
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, path: str, *, method: str = "GET", body: Any = None) -> Any:
        """Ask the management API for a path below ``/api``; None where it answers nothing."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._api_port}/api{path}",
            method=method,
            data=json.dumps(body).encode() if body is not None else None,
            headers={
                "Authorization": "Basic " + base64.b64encode(b"guest:guest").decode(),
                "Content-Type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=10) as reply:
            text = reply.read()
        return json.loads(text) if text else None

    def vhost(self, name: str) -> str:
        """Make an empty virtual host and return its URL for Celery."""
        self.ask(f"/vhosts/{name}", method="PUT")
        self.ask(f"/permissions/{name}/guest", method="PUT", body={"configure": ".*", "write": ".*", "read": ".*"})
        return self.url[:-1] + name

    def _answers(self, node: subprocess.Popen[bytes]) -> bool:
        if node.poll() is not None:
            raise AssertionError(
                f"RabbitMQ ended with {node.returncode}:\n{(self._folder / 'log').read_text()[-4000:]}"
            )
        try:
            return bool(self.ask("/overview"))
        except (urllib.error.URLError, OSError):
            return False

    def _start(self, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
        self._started.append(child.start(command, self._folder / "log", env=env))
        return self._started[-1]

    def _environment(self) -> dict[str, str]:
        folder = self._folder
        return {
            **os.environ,
            "HOME": str(folder),
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"cm{os.getpid()}x{self._dist}@localhost",
            "RABBITMQ_DIST_PORT": str(self._dist),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_CONFIG_FILE": str(folder / "node.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_CONF_ENV_FILE": "/nonexistent",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
        }


def _free_ports(n: int) -> list[int]:
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in range(n)]
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
