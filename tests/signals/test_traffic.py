"""Connections and calls of I/O are counted for the attempt that makes them, and never get in its way."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

from celery_monitor.agent import details
from celery_monitor.agent.drain import RingReader
from celery_monitor.details import Traffic
from celery_monitor.signals import guard, process, traffic
from celery_monitor.signals.record import Kind
from tests.agent import actors
from tests.signals.apart import apart


def connect(port: int, times: int) -> None:
    for _ in range(times):
        socket.create_connection(("127.0.0.1", port)).close()


def found() -> dict[bytes, Traffic]:
    """Return what was written of each attempt, by its id."""
    writer = process.me.writer
    assert writer is not None
    rows: dict[bytes, Traffic] = {}
    for kind, payload in RingReader(writer.ring).take(10_000):
        if kind == Kind.TRAFFIC:
            (row,) = (details.decode(kind, payload, writer.ring.ring_id, "w") or ("", []))[1]
            rows[row.id] = row
    return rows


def task(name: str, body: object) -> None:
    assert callable(body)
    actors.job.run = body  # type: ignore[method-assign]
    actors.run(name)


def counted(*asked: str) -> dict[str, tuple[int, int, int]]:
    """Run attempts of all kinds; return connections, reads and writes of each."""
    actors.worker_parent(None)
    process.me.agent = True
    traffic.use(asked)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        port = listening.getsockname()[1]

        def elsewhere() -> None:
            thread = threading.Thread(target=connect, args=(port, 2))
            thread.start()
            thread.join()

        def writes() -> None:
            with Path("/dev/null").open("wb", buffering=0) as out:
                out.writelines([b"x"] * 40)

        def reads() -> None:
            with Path("/dev/zero").open("rb", buffering=0) as source:
                for _ in range(30):
                    source.read(1)

        def refused() -> None:
            listening.close()
            try:
                connect(port, 1)
            except ConnectionRefusedError:
                return
            raise AssertionError("it was taken")

        connect(port, 1)  # outside of tasks
        task("five", lambda: connect(port, 5))
        task("none", lambda: None)
        task("thread", elsewhere)
        task("writes", writes)
        task("reads", reads)
        task("unix", lambda: socket.socketpair()[0].close())
        task("refused", refused)
    assert not guard.caught, guard.caught
    return {row.id[1:].decode(): (row.connections, row.reads, row.writes) for row in found().values()}


def test_connections_are_those_of_the_attempts_thread_and_of_those_it_starts_and_who_has_none_writes_nothing() -> None:
    assert apart(counted, "network") == {"five": (5, -1, -1), "thread": (2, -1, -1), "refused": (1, -1, -1)}


def test_calls_of_io_are_counted_without_our_own_look() -> None:
    got = apart(counted, "io")
    assert got["none"] == (-1, 0, 0)
    assert (got["writes"], got["reads"]) == ((-1, 0, 40), (-1, 30, 0))


def test_both_can_be_asked_for_and_nothing_is_counted_when_nothing_is() -> None:
    both = apart(counted, "network", "io")
    assert (both["five"][0], both["none"]) == (5, (0, 0, 0))
    assert apart(counted) == {}


def forked() -> list[tuple[int, int]]:
    """Count in a parent, then in a child that was forked from it."""
    actors.worker_parent(None)
    process.me.agent = True
    traffic.use(["io"])
    task("first", lambda: None)  # Celery and we load what is needed late
    task("parent", lambda: None)
    ours, theirs = os.pipe()
    if not os.fork():
        process.me.agent = True
        with Path("/dev/null").open("wb", buffering=0) as out:
            task("child", lambda: [out.write(b"x") for _ in range(9)])
        os.write(theirs, b"%d %d" % (found()[b"\0child"].reads, found()[b"\0child"].writes))
        os._exit(0)
    reads, writes = os.read(ours, 99).split()
    return [(found()[b"\0parent"].reads, found()[b"\0parent"].writes), (int(reads), int(writes))]


def test_a_forked_child_reads_its_own_account() -> None:
    assert apart(forked) == [(0, 0), (0, 9)]
