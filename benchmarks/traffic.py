"""What `monitor_resources` costs: CPU per attempt in a pool child, per call of a socket, and per audit event of Python.

    python benchmarks/traffic.py [--rounds 40] [--tasks 300]

The variants take turns in short slices on the thread CPU clock; the hook comes last, as it cannot be taken out again.
Calls are of 100 bytes over the loopback, the cheapest there are; TLS is a connection of this process with itself.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from celery import Celery
from celery.app.trace import build_tracer

from celery_monitor.signals import handlers, process, traffic
from celery_monitor.signals.ring import AT_HEAD, AT_TAIL, put_number

app = Celery("traffic", broker="memory://", backend=None)


@app.task(name="job", ignore_result=True)
def job() -> None:
    """Do nothing."""


@app.task(name="call", ignore_result=True)
def call(within: Callable[[], None]) -> None:
    """Do what is timed, within an attempt."""
    within()


def emptied() -> None:
    """Let go of what is in the ring."""
    writer = process.open_writer()
    assert writer is not None
    writer.settle()
    put_number(writer.ring.map, AT_TAIL, writer.ring.number(AT_HEAD))


def slice_us(tasks: int) -> float:
    """Return the CPU time of one task, in us."""
    emptied()
    tracer = build_tracer("job", app.tasks["job"], app=app)
    requests = []
    for _ in range(tasks):
        own = str(uuid4())
        requests.append((own, {"id": own, "root_id": own, "delivery_info": {"routing_key": "q"}, "hostname": "a"}))
    began = time.thread_time()
    for own, request in requests:
        tracer(own, [], {}, request)
    return (time.thread_time() - began) / tasks * 1e6


def turns(variants: list[tuple[str, ...]], rounds: int, tasks: int) -> None:
    """Print a row per variant."""
    found: dict[tuple[str, ...], list[float]] = {variant: [] for variant in variants}
    for _ in range(rounds):
        for variant in variants:
            traffic.use(variant)
            found[variant].append(slice_us(tasks))
    least = min(found[()])
    for variant, slices in found.items():
        name = " + ".join(variant) or "off"
        print(f"{name:<14} {min(slices):>8.2f} {min(slices) - least:>+8.2f} {statistics.median(slices):>8.2f}")


def per_event_us(do: Callable[[], object], times: int = 20_000) -> float:
    """Return what something costs that raises one audit event, in us."""
    best = float("inf")
    for _ in range(5):
        began = time.thread_time()
        for _ in range(times):
            do()
        best = min(best, (time.thread_time() - began) / times * 1e6)
    return best


def secured(ends: tuple[socket.socket, ...], folder: Path) -> list[ssl.SSLSocket]:
    """Return a TLS connection over a plain one; the server's end first."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    serves, asks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    serves.load_cert_chain(certificate, key)
    asks.check_hostname, asks.verify_mode = False, ssl.CERT_NONE
    with ThreadPoolExecutor(1) as other:
        server = other.submit(serves.wrap_socket, ends[0], True)
        client = asks.wrap_socket(ends[1])
        return [server.result(), client]


def pair() -> tuple[socket.socket, socket.socket]:
    """Return both ends of a connection over the loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = socket.create_connection(listening.getsockname())
        return listening.accept()[0], client


def calls(name: str, ends: Sequence[socket.socket], rounds: int, times: int = 1000) -> None:
    """Print what a call of a socket costs in an attempt, without anything asked for and with network."""
    found: dict[bool, list[float]] = {False: [], True: []}
    data = bytes(100)
    tracer = build_tracer("call", app.tasks["call"], app=app)

    def within() -> None:
        began = time.thread_time()
        for _ in range(times):
            ends[0].send(data)
            ends[1].recv(100)
        found[traffic.wanted.network].append((time.thread_time() - began) / times / 2 * 1e6)

    for _ in range(rounds):
        for asked in ((), ("network",)):
            traffic.use(asked)
            emptied()
            own = str(uuid4())
            tracer(
                own, [within], {}, {"id": own, "root_id": own, "delivery_info": {"routing_key": "q"}, "hostname": "a"}
            )
    off, on = min(found[False]), min(found[True])
    print(f"{name:<14} {on:>8.2f} {on - off:>+8.2f} {statistics.median(found[True]):>8.2f}")


def main() -> None:
    """Run, and print."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--rounds", type=int, default=40)
    asked.add_argument("--tasks", type=int, default=300)
    given = asked.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        process.place.folder = Path(folder)
        process.me.agent = True  # nobody drains: each slice empties the ring itself
        handlers.connect()
        print(f"{'us per task':<14} {'least':>8} {'added':>8} {'median':>8}")
        turns([(), ("io",)], given.rounds, given.tasks)
        before = per_event_us(sys._getframe)  # noqa: SLF001 - raises an audit event and does no more
        traffic.use(("network",))
        slice_us(1)  # it begins with the first attempt
        after = per_event_us(sys._getframe)  # noqa: SLF001
        turns([(), ("network",), ("network", "io")], given.rounds, given.tasks)
        print(f"{'us per call':<14} {'least':>8} {'added':>8} {'median':>8}")
        calls("socket", pair(), given.rounds)
        if shutil.which("openssl"):
            calls("TLS socket", secured(pair(), Path(folder)), given.rounds)
        else:
            print("TLS socket: install openssl, which makes the certificate")
        print(f"each audit event (import, open, exec, ...): {before:.3f} us without the hook, {after:.3f} us with it")


if __name__ == "__main__":
    main()
