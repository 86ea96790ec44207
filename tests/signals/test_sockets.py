"""Bytes of Python's sockets are told of the attempt that moves them, by whatever method; nothing else is changed."""

from __future__ import annotations

import array
import asyncio
import os
import pickle
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import guard, process, sockets, traffic
from tests.agent import actors
from tests.peer import ORDER, Peer, connected, exchange, trusting, wire
from tests.signals.apart import apart
from tests.signals.test_traffic import found, task
from tests.store.servers import certificate

Moved = dict[str, tuple[int, int]]
"""Bytes sent and received by attempt; one that has moved nothing is not there."""
CLASSES = (socket.socket, ssl.SSLSocket, threading.Thread)


def moved(**bodies: Callable[[], object]) -> Moved:
    """Run each as an attempt with network asked for."""
    actors.worker_parent(None)
    process.me.agent = True
    traffic.use(["network"])
    errors: list[BaseException] = []
    for name, body in bodies.items():

        def told(body: Callable[[], object] = body) -> None:
            try:
                body()
            except BaseException as error:  # Celery would keep it to itself
                errors.append(error)

        task(name, told)
    assert not errors, errors
    assert not guard.caught, guard.caught
    rows = found().values()
    return {row.id[1:].decode(): (row.network_sent_bytes, row.network_received_bytes) for row in rows}


def pair(kind: socket.SocketKind = socket.SOCK_STREAM) -> tuple[socket.socket, socket.socket]:
    """Return two sockets of the loopback that are connected."""
    here, there = (socket.socket(socket.AF_INET, kind) for _ in range(2))
    here.bind(("127.0.0.1", 0))
    if kind is socket.SOCK_DGRAM:
        there.bind(("127.0.0.1", 0))
        here.connect(there.getsockname())
        there.connect(here.getsockname())
        return here, there
    here.listen()
    there.connect(here.getsockname())
    return here.accept()[0], there


def every_method() -> Moved:
    far, near = pair()
    mine, yours = pair(socket.SOCK_DGRAM)
    unix = socket.socketpair()
    file = os.memfd_create("file")
    os.write(file, bytes(700))

    def given(n: int, take: Callable[[], object]) -> Callable[[], object]:
        return lambda: (os.write(far.fileno(), bytes(n)), take())  # nobody sees what its descriptor is written to

    def a_file() -> None:
        with os.fdopen(os.dup(file), "rb") as source:
            assert near.sendfile(source) == 700
            assert near._sendfile_use_send(source, offset=600) == 100  # type: ignore[attr-defined]

    def through_files() -> None:
        os.write(far.fileno(), b"line\n")
        with near.makefile("rwb") as both:
            assert both.readline() == b"line\n"
            both.write(bytes(11))

    return moved(
        send=lambda: near.send(bytes(10)),
        sendall=lambda: near.sendall(array.array("i", range(25))),
        sendto=lambda: mine.sendto(bytes(12), yours.getsockname()),
        sendmsg=lambda: near.sendmsg([bytes(5), bytes(6)]),
        sendfile=a_file,
        recv=given(20, lambda: near.recv(99)),
        recv_into=given(21, lambda: near.recv_into(bytearray(99))),
        recvfrom=given(22, lambda: near.recvfrom(99)),
        recvfrom_into=given(23, lambda: near.recvfrom_into(bytearray(99))),
        recvmsg=given(24, lambda: near.recvmsg(99)),
        recvmsg_into=given(25, lambda: near.recvmsg_into([bytearray(3), bytearray(96)])),
        datagram=lambda: yours.recv(99),
        makefile=through_files,
        unix=lambda: unix[0].sendall(bytes(99)),
    )


def test_every_method_counts_what_it_moved_once() -> None:
    assert apart(every_method) == {
        "send": (10, 0), "sendall": (100, 0), "sendto": (12, 0), "sendmsg": (11, 0), "sendfile": (800, 0),
        "recv": (0, 20), "recv_into": (0, 21), "recvfrom": (0, 22), "recvfrom_into": (0, 23), "recvmsg": (0, 24),
        "recvmsg_into": (0, 25), "datagram": (0, 12), "makefile": (11, 5),
    }  # fmt: skip


def what_a_caller_sees() -> Moved:
    far, near = pair()

    def fails() -> None:
        with pytest.raises(TypeError, match="a bytes-like object is required, not 'str'"):
            near.send("text")  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            near.sendall()  # type: ignore[call-arg]
        near.settimeout(0.001)
        with pytest.raises(TimeoutError):
            near.recv(1)
        near.settimeout(30)

    def peeks() -> None:
        os.write(far.fileno(), bytes(9))
        assert len(near.recv(9, socket.MSG_PEEK)) == 9
        assert near.recv_into(bytearray(9), flags=socket.MSG_PEEK) == 9
        assert len(near.recv(9, socket.MSG_WAITALL)) == 9

    def stopped() -> None:
        def stop(*_: Any) -> None:
            raise SoftTimeLimitExceeded

        signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(SoftTimeLimitExceeded):
            near.recv(1)

    def looks_the_same() -> None:
        assert pickle.loads(pickle.dumps(socket.socket.send)) is socket.socket.send
        assert socket.socket.send.__doc__ == socket.SocketType.send.__doc__

    return moved(fails=fails, peeks=peeks, stopped=stopped, looks_the_same=looks_the_same)


def test_errors_timeouts_and_soft_limits_pass_and_what_is_only_looked_at_is_not_counted() -> None:
    assert apart(what_a_caller_sees) == {"peeks": (0, 9)}


def over_tls(key: Path, cert: Path) -> tuple[Moved, dict[str, tuple[int, int]]]:
    told: dict[str, tuple[int, int]] = {}
    trust = trusting(cert)

    def plain(name: str, port: int, *sizes: tuple[int, int]) -> Callable[[], None]:
        return secured(name, port, *sizes, tls=None)

    def secured(name: str, port: int, *sizes: tuple[int, int], tls: Any = trust) -> Callable[[], None]:
        def body() -> None:
            with connected(port, tls) as connection:
                for up, down in sizes:
                    exchange(connection, up, down)
                told[name] = wire(connection)

        return body

    def in_asyncio(port: int) -> Callable[[], None]:
        async def body() -> None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust)
            writer.write(ORDER.pack(30_000, 50_000) + bytes(30_000))
            await reader.readexactly(50_000)
            told["in_asyncio"] = wire(writer.get_extra_info("socket"))
            writer.transport.abort()

        return lambda: asyncio.run(body())

    with Peer() as open_peer, Peer(key, cert) as peer:
        found = moved(
            plain=plain("plain", open_peer.port, (3000, 500), (10, 20)),
            large=secured("large", peer.port, (300_000, 500_000)),
            handshake=secured("handshake", peer.port, (1, 1)),
            in_asyncio=in_asyncio(peer.port),
            nothing=lambda: None,
        )
    return found, told


def test_over_tls_they_are_what_the_kernel_says_of_the_wire(tmp_path: Path) -> None:
    found, told = apart(over_tls, *certificate(tmp_path))
    assert found["plain"] == told["plain"] == (3010 + 2 * ORDER.size, 520)
    assert found.keys() == told.keys()
    for name, real in told.items():  # asyncio may take more from the kernel after our look
        assert found[name] == pytest.approx(real, rel=0.01), name
    assert found["handshake"][1] > 500, "what the server says of itself"


def without_the_kernel(key: Path, cert: Path) -> Moved:
    sockets._account = lambda _: None
    trust = trusting(cert)
    with Peer(key, cert) as peer:

        def body() -> None:
            with connected(peer.port, trust) as connection:
                exchange(connection, 300_000, 500_000)

        return moved(inside=body)


def test_where_the_kernel_does_not_tell_they_are_what_is_inside(tmp_path: Path) -> None:
    assert apart(without_the_kernel, *certificate(tmp_path)) == {"inside": (300_000 + ORDER.size, 500_000)}


def in_threads() -> Moved:
    def go(port: int) -> None:
        with connected(port) as connection:
            exchange(connection, 1000, 2000)

    with Peer() as peer:
        pools = [ThreadPoolExecutor(1), ThreadPoolExecutor(4)]

        def own() -> None:
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(go, [peer.port] * 8))
            asyncio.run(asyncio.wait_for(_elsewhere(go, peer.port), 30))

        return moved(
            own=own,
            starts=lambda: pools[0].submit(lambda: None).result(),
            borrows=lambda: pools[0].submit(go, peer.port).result(),
            both=lambda: [go(peer.port), pools[1].submit(go, peer.port).result()],
        )


async def _elsewhere(go: Callable[[int], None], port: int) -> None:
    await asyncio.to_thread(go, port)


def test_threads_that_an_attempt_starts_are_its_own_and_others_are_nobodys() -> None:
    one = 1000 + ORDER.size
    assert apart(in_threads) == {"own": (9 * one, 18_000), "both": (2 * one, 4000)}


def several() -> tuple[Moved, bool]:
    before = [dict(vars(each)) for each in CLASSES]
    real = socket.socket.send

    def quieter(self: socket.socket, data: bytes) -> int:
        return real(self, data[:3])

    _far, near = pair()
    socket.socket.send = quieter  # type: ignore[method-assign, assignment]
    counted = moved(send=lambda: near.send(bytes(10)), sendall=lambda: near.sendall(bytes(10)))
    ours = socket.socket.send
    traffic.use(["io"])
    kept = socket.socket.send is quieter
    del socket.socket.send
    assert ours is not quieter
    return counted, kept and [dict(vars(each)) for each in CLASSES] == before


def test_what_somebody_has_put_in_place_of_a_method_is_called_and_all_is_put_back() -> None:
    assert apart(several) == ({"send": (3, 0), "sendall": (10, 0)}, True)


def replaced() -> Moved:
    class Other(socket.SocketType):  # type: ignore[misc, valid-type]
        """What monkey patching puts there after our look."""

    _far, near = pair()

    def body() -> None:
        near.send(bytes(10))
        socket.socket = Other  # type: ignore[misc]

    return moved(body=body)


def test_where_the_class_of_sockets_was_replaced_since_bytes_are_unknown() -> None:
    assert apart(replaced) == {"body": (-1, -1)}


def unasked() -> bool:
    before = [dict(vars(each)) for each in CLASSES]
    actors.worker_parent(None)
    process.me.agent = True
    traffic.use(["io"])
    task("one", lambda: None)
    asked = [dict(vars(each)) for each in CLASSES]
    traffic.use(["network"])  # and no task runs, as where they are only published
    return before == asked == [dict(vars(each)) for each in CLASSES] and not traffic.wanted.hooked


def test_nothing_is_touched_unless_it_is_asked_for_and_attempts_run() -> None:
    assert apart(unasked)


def freed() -> int:
    def body() -> None:
        for _ in range(50):
            for end in pair():
                end.send(b"x")
                end.close()

    moved(body=body)
    return len(sockets._lines)


def test_what_is_known_of_a_socket_goes_with_it() -> None:
    assert apart(freed) == 0
