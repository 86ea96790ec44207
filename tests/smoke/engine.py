"""A stand-in for Docker's client that runs pytest-celery's containers as processes of this machine.

It knows what pytest-celery 1.3 and pytest-docker-tools ask for and no more: Redis servers and Celery workers,
volumes as folders, one network. A container's TCP port is a free port on 127.0.0.1, so its "hostname"
carries the port and the URL is the same inside and outside.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from celery_monitor.cli import child
from celery_monitor.cli.embedded import find_server
from tests.parts import ROOT

STOP_S: Final = 20.0
_LISTENING: Final = "0: 00000000:{port:04X} 00000000:0000 0A"
"""A line of /proc/net/tcp as far as pytest-docker-tools reads it."""


class Image(NamedTuple):
    """An image; only its id is asked for."""

    id: str


class Network(NamedTuple):
    """A network; processes on one machine need none."""

    name: str

    def remove(self) -> None: ...


class Volume:
    """A folder that containers see under another path."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.folder = Path(tempfile.mkdtemp(prefix="smoke-"))

    def remove(self, force: bool = False) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)


class Container:
    """A process that is asked like a container of the Docker SDK."""

    def __init__(
        self,
        engine: LocalDocker,
        command: Sequence[str],
        environment: Mapping[str, str],
        ports: Mapping[str, Any],
        volumes: Mapping[str, Any],
        network: str,
    ) -> None:
        self.id = uuid.uuid4().hex * 2
        self.name = f"local-{self.id[:12]}"
        self.labels: dict[str, str] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="smoke-"))
        self.mounts = {v["bind"]: engine.volumes.folder(name) for name, v in volumes.items()}
        self.ports = {port: _free_port() for port in ports}
        self.env = {key: self._local(value) for key, value in environment.items()}
        self.command = self._translate(command)
        self.process: subprocess.Popen[bytes] | None = None
        self.attrs = self._attrs(network)

    def _attrs(self, network: str) -> dict[str, Any]:
        port = next(iter(self.ports.values()), None)
        bindings = {name: [{"HostIp": "127.0.0.1", "HostPort": str(p)}] for name, p in self.ports.items()}
        return {
            "Config": {
                "Hostname": f"127.0.0.1:{port}" if port else self.id[:12],
                "Env": [f"{key}={value}" for key, value in self.env.items()],
                "Labels": self.labels,
            },
            "HostConfig": {"PortBindings": bindings},
            "NetworkSettings": {"Networks": {network: {"IPAddress": "127.0.0.1"}}, "Ports": bindings},
            "Mounts": [],
        }

    def _local(self, text: str) -> str:
        for inside, outside in self.mounts.items():
            text = text.replace(inside, str(outside))
        return text

    def _translate(self, command: Sequence[str]) -> list[str]:
        if command[:1] == ["redis-server"]:
            place = ["--bind", "127.0.0.1", "--port", str(self.ports["6379/tcp"]), "--dir", str(self.folder)]
            return [find_server(), *command[1:], *place]
        if command[:1] == ["celery"]:
            # %h is this machine's name, and a container's is its id.
            return [sys.executable, "-m", *(word.replace("@%h", f"@{self.id[:12]}") for word in command)]
        raise ValueError(f"no local form of the command {command!r}; known are redis-server and celery")

    def start(self) -> None:
        path = os.pathsep.join(filter(None, [self.env.get("PYTHONPATH"), str(ROOT)]))
        cwd = next(iter(self.mounts.values()), self.folder)
        env = {**os.environ, **self.env, "PYTHONPATH": path}
        self.process = child.start(self.command, self.folder / "log", env=env, cwd=cwd)

    @property
    def status(self) -> str:
        return "running" if self.process and self.process.poll() is None else "exited"

    def reload(self) -> None: ...

    def logs(self) -> bytes:
        return (self.folder / "log").read_bytes()

    def kill(self, signal: str | int = "SIGKILL") -> None:
        """Signal all processes, as it would be with a container's."""
        assert self.process is not None
        os.killpg(self.process.pid, _number(signal))
        if _number(signal) == _number("SIGKILL"):
            self.process.wait()

    def stop(self, timeout: float = STOP_S) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def restart(self, timeout: float = STOP_S) -> None:
        self.stop(timeout)
        self.start()

    def remove(self, force: bool = False) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait(self, timeout: float = STOP_S) -> None:
        if self.process is not None:
            self.process.wait(timeout)

    def exec_run(self, command: str) -> tuple[int, bytes]:
        if not command.startswith("cat /proc/net/tcp"):
            raise ValueError(f"no local form of exec_run({command!r})")
        inside = [int(name.split("/")[0]) for name, port in self.ports.items() if _listens(port)]
        return 0, "\n".join(_LISTENING.format(port=port) for port in inside).encode()

    def put_archive(self, path: str, data: Any) -> bool:
        with tarfile.open(fileobj=data) as archive:
            for member in archive.getmembers():
                target = self.mounts[path] / member.name
                if member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                elif content := archive.extractfile(member):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
        return True


class _Containers:
    def __init__(self, engine: LocalDocker) -> None:
        self._engine = engine

    def create(self, image: str, volumes: Mapping[str, Any]) -> Container:
        """Make one that is never started: it only fills volumes."""
        return Container(self._engine, ["redis-server"], {}, {"6379/tcp": None}, volumes, "none")

    def run(self, *, command: Sequence[str], network: str, **options: Any) -> Container:
        container = Container(
            self._engine,
            list(command),
            options.get("environment") or {},
            options.get("ports") or {},
            options.get("volumes") or {},
            network,
        )
        container.start()
        return container


class _Images:
    def build(self, **options: Any) -> tuple[Image, list[str]]:
        return Image("local"), []

    def pull(self, **options: Any) -> Image:
        return Image("local")


class _Networks:
    def create(self, name: str, **options: Any) -> Network:
        return Network(name)


class _Volumes:
    def __init__(self) -> None:
        self._made: dict[str, Volume] = {}

    def create(self, name: str, **options: Any) -> Volume:
        self._made[name] = Volume(name)
        return self._made[name]

    def folder(self, name: str) -> Path:
        return self._made[name].folder


class LocalDocker:
    """What `docker.from_env()` returns, as far as it is asked."""

    def __init__(self) -> None:
        self.volumes = _Volumes()
        self.containers = _Containers(self)
        self.images = _Images()
        self.networks = _Networks()


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else int(signal.Signals[name])


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0
