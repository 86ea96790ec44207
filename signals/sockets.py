"""Counts the bytes that Python's sockets send and receive: methods around theirs, put there only when asked for.

Of a plain socket these are the bytes that each call returns. A TLS socket's calls know what is inside only, so there
they are read from the kernel's account of the connection (TCP_INFO): handshake and records are in it. Where the kernel
does not tell, they are the bytes inside.

Sockets of other families than the internet's are not counted, nor what Celery opens for itself: broker and results.
What a library in C, or `os.sendfile` on a descriptor, moves is not seen from here.
"""

from __future__ import annotations

import fcntl
import socket
import ssl
import struct
import sys
import termios
import weakref
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from types import FrameType, MethodDescriptorType
from typing import Any, Final

from billiard.exceptions import SoftTimeLimitExceeded

from celery_monitor.signals import guard
from celery_monitor.signals.replaced import Method, Replaced

Told = Callable[[int, int], None]
"""Takes bytes that were sent and received in this thread or greenlet."""

_FAMILIES: Final = frozenset({socket.AF_INET, socket.AF_INET6})
_CELERYS: Final = ("kombu.", "celery.backends.", "celery_monitor.agent.", "celery_monitor.store.")
"""Modules whose sockets, and threads, are Celery's or ours, whoever called them."""
_CALLS_USERS: Final = ("celery.app.trace.", "celery.app.task.", "celery.utils.dispatch.")
"""Modules that call the user's code: what lies below them on the stack is not looked at."""
_TCP_INFO: Final = struct.Struct("=128xQ8xI52xQQ")
"""Bytes received, not yet sent, sent, sent again: of `struct tcp_info`, Linux 4.19 and newer."""
_CONNECTING: Final = frozenset({1, 2})
"""States of `struct tcp_info`: established, SYN sent."""
_WHERE: Final = "counting bytes"
_INT: Final = struct.Struct("i")
_NONE: Final = bytes(_INT.size)
_TELLS: Final = sys.platform.startswith("linux")


class _Line:
    """What is known of one socket.

    Attributes:
        counted: whether its bytes are.
        freed: takes it out of `_lines` when the socket is freed.
        sent, received: what was counted so far: a call that makes others counts only what these did not.
        tls: whether a look at the kernel's account was tried.
        kernel: that account at the last look, None where the kernel does not tell.

    """

    __slots__ = ("counted", "freed", "kernel", "received", "sent", "tls")

    def __init__(self) -> None:
        self.counted = self.tls = False
        self.freed: Any = None
        self.sent = self.received = 0
        self.kernel: tuple[int, int] | None = None


def _nobody(sent: int, received: int) -> None:
    """Take what is counted while nobody asks."""


_tell: Told = _nobody
_lines: dict[int, _Line] = {}
_replaced: Final = Replaced()
_seam: Final = guard.Seam(_WHERE)


def install(told: Told) -> None:
    """Count from now on, in this process and its forks; a method that somebody has replaced is called as it is."""
    global _tell
    uninstall()
    _tell = told
    owner = next((each for each in socket.socket.__mro__ if each.__module__ == "socket"), socket.socket)
    for name, given in _SENDERS.items():
        _replaced.put(owner, name, partial(_sends, size=given))
    for name, (taken, flags_at) in _RECEIVERS.items():
        _replaced.put(owner, name, partial(_receives, size=taken, flags_at=flags_at))
    for name, (moved, reads) in _SECURED.items():
        _replaced.put(ssl.SSLSocket, name, partial(_secures, size=moved, reads=reads))


def uninstall() -> None:
    """Put back what stood there; what somebody has put around ours stays, and tells nobody."""
    global _tell
    _tell = _nobody
    _replaced.restore()


def watching() -> bool:
    """Tell whether the sockets that are made now are those we count: nobody has replaced their classes since."""
    return _replaced.covers(socket.socket) and _replaced.covers(ssl.SSLSocket)


def connecting(sock: Any) -> bool:
    """Tell whether a TCP socket connects already, or is connected: who does not block asks a second time."""
    try:
        return _TELLS and sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] in _CONNECTING
    except OSError:  # it is not TCP
        return False


def celerys(frame: FrameType | None) -> bool:
    """Tell whether what happens in a frame is done by Celery or by us for itself, and not by the code of a task."""
    while frame is not None:
        module = f"{frame.f_globals.get('__name__', '')}."
        if module.startswith(_CELERYS):
            return True
        if module.startswith(_CALLS_USERS):
            return False
        frame = frame.f_back
    return False


def _sends(real: Method, size: Callable[[Any, Any], int]) -> Method:
    nests = not isinstance(real, MethodDescriptorType)

    def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        line = _lines.get(id(self)) or _first(self)
        if not line.counted:
            return real(self, *args, **kwargs)
        before = line.sent
        result = real(self, *args, **kwargs)
        try:  # a seam with `with` would cost as much as all of it
            sent = size(result, args) - (line.sent - before if nests else 0)
            if sent > 0:  # over TLS the calls within have counted more
                line.sent += sent
                _tell(sent, 0)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - the seam: what was sent was sent
            guard.note(_WHERE, error)
        return result

    return send


def _receives(real: Method, size: Callable[[Any], int], flags_at: int) -> Method:
    nests = not isinstance(real, MethodDescriptorType)

    def receive(self: Any, *args: Any, **kwargs: Any) -> Any:
        line = _lines.get(id(self)) or _first(self)
        if not line.counted or ((kwargs or len(args) > flags_at) and _peeks(args[flags_at:], kwargs)):
            return real(self, *args, **kwargs)
        before = line.received
        result = real(self, *args, **kwargs)
        try:
            received = size(result) - (line.received - before if nests else 0)
            if received > 0:
                line.received += received
                _tell(0, received)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # noqa: BLE001 - the seam: what was received is the caller's
            guard.note(_WHERE, error)
        return result

    return receive


def _secures(real: Method, size: Callable[[Any], tuple[int, int]], reads: bool) -> Method:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        line = _secured(self)
        if line is None:
            return real(self, *args, **kwargs)
        if line.kernel is not None:
            try:
                return real(self, *args, **kwargs)
            finally:  # one that has to wait, or fails, has moved something too
                with _seam:
                    _look(self, line, reads)
        sent, received = line.sent, line.received
        result = real(self, *args, **kwargs)
        with _seam:
            out, into = size(result)
            _count(line, out - (line.sent - sent), into - (line.received - received))
        return result

    return method


def _count(line: _Line, sent: int, received: int) -> None:
    sent, received = max(sent, 0), max(received, 0)
    line.sent += sent
    line.received += received
    if sent or received:
        _tell(sent, received)


def _first(sock: Any) -> _Line:
    """Decide on a socket that is used for the first time, by who uses it."""
    line = _Line()
    with _seam:
        line.freed = weakref.ref(sock, partial(_free, id(sock)))
        counted = sock.family in _FAMILIES and not celerys(sys._getframe(2))  # noqa: SLF001 - who called the method
        _lines[id(sock)] = line
        line.counted = counted
    return line


def _free(key: int, _: Any, forget: Callable[[int, Any], Any] = _lines.pop) -> None:
    forget(key, None)


def _peeks(flags: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Tell whether a call leaves what it returns for the next one."""
    given = flags[0] if flags else kwargs.get("flags", 0)
    return isinstance(given, int) and bool(given & socket.MSG_PEEK)


def _secured(sock: Any) -> _Line | None:
    """Return what is known of a socket that is counted and speaks TLS now; else its plain methods see to it."""
    if getattr(sock, "_sslobj", None) is None:
        return None
    line = _lines.get(id(sock)) or _first(sock)
    if line.counted and not line.tls:
        line.tls = True
        with _seam:
            line.kernel = _account(sock)
    return line if line.counted else None


def _look(sock: Any, line: _Line, reads: bool) -> None:
    """Count what was moved since the last look; to ask what is still unread is spared where nothing was read."""
    now, before = _account(sock, reads), line.kernel
    if now is not None and before is not None:  # it was not closed meanwhile
        sent, received = max(now[0], before[0]), max(now[1], before[1]) if reads else before[1]
        line.kernel = sent, received
        _count(line, sent - before[0], received - before[1])


def _account(sock: Any, reads: bool = True) -> tuple[int, int] | None:
    """Return the bytes that were written to a connection and those that were read from it, as the kernel counts them.

    None where it does not tell.
    """
    if not _TELLS:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        received, waiting, sent, again = _TCP_INFO.unpack(info)
        (unread,) = _INT.unpack(fcntl.ioctl(sock.fileno(), termios.FIONREAD, _NONE)) if reads else (0,)
    except (OSError, struct.error):
        return None
    return sent - again + waiting, received - unread


def _given(_: Any, args: Any) -> int:
    """Return the bytes that a call was given, as it took them all."""
    data = args[0]
    return len(data) if type(data) in {bytes, bytearray} else memoryview(data).nbytes


def _returned(result: int, _: Any) -> int:
    return result


_SENDERS: Final[dict[str, Callable[[Any, Any], int]]] = {
    "send": _returned, "sendall": _given, "sendto": _returned, "sendmsg": _returned, "sendfile": _returned,
}  # fmt: skip
"""Methods that send to what tells how much: of one that fails halfway nothing is known."""
_RECEIVERS: Final[dict[str, tuple[Callable[[Any], int], int]]] = {
    "recv": (len, 1),
    "recv_into": (int, 2),
    "recvfrom": (lambda result: len(result[0]), 1),
    "recvfrom_into": (itemgetter(0), 2),
    "recvmsg": (lambda result: len(result[0]), 2),
    "recvmsg_into": (itemgetter(0), 2),
}
"""Methods that receive to what tells how much, and at which argument their flags are."""
_SECURED: Final[dict[str, tuple[Callable[[Any], tuple[int, int]], bool]]] = {
    "send": (lambda result: (result, 0), False),
    "write": (lambda result: (result, 0), False),
    "read": (lambda result: (0, result if isinstance(result, int) else len(result)), True),
    "do_handshake": (lambda _: (0, 0), True),
    "unwrap": (lambda _: (0, 0), True),
}
"""Methods of TLS to what is inside of what they moved, and whether they read; all others come to these."""
