"""A server on the loopback that takes and gives bytes as it is asked, and counts them; and how it is asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import TracebackType

ORDER = struct.Struct("<QQ")
"""Bytes that follow, bytes that are wanted; then the next order."""
_CHUNK = 1 << 16
_ZEROS = bytes(_CHUNK)


class Peer:
    """Serves until it is closed; with a certificate it speaks TLS.

    Attributes:
        received: bytes that came, within TLS, orders included.
    """

    def __init__(self, key: Path | None = None, certificate: Path | None = None) -> None:
        self.received = 0
        self.tls: ssl.SSLContext | None = None
        if certificate is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(certificate, key)
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Peer:  # noqa: PYI034 - `Self` is not in Python 3.10
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._serve, args=(self.listening.accept()[0],), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with contextlib.suppress(OSError):
            connection = plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True)
            with connection, connection.makefile("rb") as incoming:
                while order := incoming.read(ORDER.size):
                    coming, wanted = ORDER.unpack(order)
                    while coming:
                        coming -= len(incoming.read(min(coming, _CHUNK)))
                    self.received += ORDER.unpack(order)[0] + ORDER.size
                    while wanted:
                        connection.sendall(_ZEROS[:wanted])
                        wanted -= min(wanted, _CHUNK)


@cache
def trusting(certificate: Path) -> ssl.SSLContext:
    """Return a client's TLS context that trusts one certificate, of 127.0.0.1."""
    return ssl.create_default_context(cafile=str(certificate))


@contextlib.contextmanager
def connected(port: int, tls: ssl.SSLContext | None = None) -> Iterator[socket.socket]:
    """Connect to a peer."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        if tls is None:
            yield plain
            return
        with tls.wrap_socket(plain, server_hostname="127.0.0.1") as secured:
            yield secured


def exchange(connection: socket.socket, up: int, down: int) -> None:
    """Send so many bytes and receive so many, an order before them."""
    connection.sendall(ORDER.pack(up, down))
    while up:
        connection.sendall(_ZEROS[:up])
        up -= min(up, _CHUNK)
    while down:
        down -= len(connection.recv(min(down, _CHUNK)))


def wire(connection: socket.socket) -> tuple[int, int]:
    """Return the bytes that the kernel says were sent and received over a TCP connection, whatever is inside them."""
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    sent, again = struct.unpack_from("=QQ", info, 200)
    return sent - again, struct.unpack_from("=Q", info, 128)[0]
