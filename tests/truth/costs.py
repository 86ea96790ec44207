"""An app whose tasks cost something, each in its own way, among 20 that cost nothing; bodies note what is true."""

from __future__ import annotations

import json
import mmap
import os
import re
import resource
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from celery import Celery

from celery_monitor import Monitor
from tests.peer import connected, exchange, trusting, wire

MIB = 1024 * 1024
INNOCENT = 20
FILE = "COSTS_TRUTH"
PORT = "COSTS_PORT"
TLS_PORT = "COSTS_TLS_PORT"
CERTIFICATE = "COSTS_CERTIFICATE"
DISK = "COSTS_DISK"

app = Celery("costs")
app.conf.update(
    monitor_flush_interval=0.3, monitor_tick_interval=1.0, monitor_resources=["network", "io"], task_ignore_result=True,
    broker_connection_retry_on_startup=True, worker_send_task_events=False, worker_prefetch_multiplier=8,
)  # fmt: skip
Monitor(app)
kept: list[mmap.mmap] = []


def rss_kib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def written_bytes() -> int:
    return int(re.findall(r"^write_bytes: (\d+)$", Path("/proc/self/io").read_text(), re.MULTILINE)[0])


@contextmanager
def measured(name: str) -> Iterator[dict[str, Any]]:
    """Write down what a body took by the kernel's own account."""
    about: dict[str, Any] = {"task": name, "pid": os.getpid()}
    rss, cpu = rss_kib(), time.thread_time()
    try:
        yield about
    finally:
        about |= {"growth_kib": rss_kib() - rss, "cpu_s": time.thread_time() - cpu}
        about["peak_kib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with Path(os.environ[FILE]).open("a") as out:
            out.write(json.dumps(about) + "\n")


def task(function: Callable[[dict[str, Any]], None], name: str) -> None:
    def body() -> None:
        with measured(name) as about:
            function(about)

    app.task(body, name=name, shared=False)


def allocate(_: dict[str, Any]) -> None:
    held = bytearray(b"\1") * (200 * MIB)
    time.sleep(0.03)
    del held


def burn(_: dict[str, Any]) -> None:
    until = time.thread_time() + 0.3
    while time.thread_time() < until:
        pass


def connect(about: dict[str, Any]) -> None:
    about["connections"] = 7
    for _ in range(7):
        socket.create_connection(("127.0.0.1", int(os.environ[PORT]))).close()
    time.sleep(0.03)


def transfer(about: dict[str, Any], tls: ssl.SSLContext | None = None) -> None:
    port = int(os.environ[PORT if tls is None else TLS_PORT])
    with connected(port, tls) as connection:
        exchange(connection, 3 * MIB, 5 * MIB)
        about["sent"], about["received"] = wire(connection)


def transfer_tls(about: dict[str, Any]) -> None:
    transfer(about, trusting(Path(os.environ[CERTIFICATE])))


def leak(_: dict[str, Any]) -> None:
    kept.append(mmap.mmap(-1, MIB))  # the allocator would reuse what a greedy task gave back
    kept[-1].write(b"\1" * MIB)
    time.sleep(0.03)


def write(about: dict[str, Any]) -> None:
    about["writes"] = 300
    out = os.open("/dev/null", os.O_WRONLY)
    for _ in range(300):
        os.write(out, b"x")
    os.close(out)
    time.sleep(0.03)


def save(about: dict[str, Any]) -> None:
    before = written_bytes()
    saved = Path(os.environ[DISK], f"saved-by-{os.getpid()}")
    with saved.open("wb") as out:
        out.writelines(os.urandom(MIB) for _ in range(50))
        out.flush()
        os.fsync(out.fileno())
    about["written_bytes"] = written_bytes() - before
    saved.unlink()


def fail(_: dict[str, Any]) -> None:
    held = bytearray(b"\1") * (MIB // 16)  # stays for as long as the traceback does
    time.sleep(0.03)
    raise ValueError(len(held))


def nothing(_: dict[str, Any]) -> None:
    time.sleep(0.021)


for costly in (allocate, burn, connect, fail, leak, save, transfer, transfer_tls, write):
    task(costly, costly.__name__)
for number in range(INNOCENT):
    task(nothing, f"innocent{number}")
