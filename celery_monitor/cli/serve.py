"""Serves /metrics and the JSON API where there is no Flower, and ticks when nobody else does."""

from __future__ import annotations

import contextlib
import errno
import signal
import socket
import threading
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from celery_monitor import __version__, prometheus
from celery_monitor.errors import ConfigurationError, StoreError
from celery_monitor.store import live
from celery_monitor.web import answers

API: Final = "/api/v1"
_PREFIX: Final = "/monitor"
"""Flower's paths work here, too: a scrape configuration need not know which of the two it asks."""

_PAUSE_S: Final = 1.0
_JSON: Final = "application/json"


def run(monitor: Any, host: str, port: int, *, tick: bool, tell: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Parameters:
        monitor: the app's Monitor.
        host, port: where to listen; port 0 takes a free one.
        tick: fold and judge when neither beat nor its agent does.
        tell: gets the lines for the user.

    Raises:
        ConfigurationError: the address cannot be listened on.
    """
    ended = threading.Event()
    trouble = ""
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    with listen(monitor.reader(), host, port) as server:
        where = f"http://{f'[{host}]' if ':' in host else host}:{server.server_address[1]}"
        tell(f"celery-monitor {__version__}: {where}/metrics  {where}{API}/summary  {where}{API}/health")
        if tick:
            monitor.appear("serve")
        threading.Thread(target=server.serve_forever, name="celery-monitor-serve", daemon=True).start()
        with contextlib.suppress(KeyboardInterrupt):
            while not ended.wait(_PAUSE_S):
                trouble = _tick(monitor, trouble, tell) if tick else ""
        server.shutdown()
        if tick:
            monitor.ticker("serve").close()


def listen(reader: Any, host: str, port: int) -> ThreadingHTTPServer:
    """Return a server that answers from a reader, bound but not serving.

    Raises:
        ConfigurationError: the address is taken or not ours.
    """
    try:
        server = (_Server6 if ":" in host else ThreadingHTTPServer)((host, port), partial(_Handler, reader))
    except OSError as error:
        other = "--port" if error.errno in {errno.EADDRINUSE, errno.EACCES} else "--host, an address of this machine"
        raise ConfigurationError(
            f"--host {host} --port {port}: {error.strerror or error}; give another {other}"
        ) from error
    server.daemon_threads = True
    return server


class _Server6(ThreadingHTTPServer):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    server_version = f"celery-monitor/{__version__}"
    protocol_version = "HTTP/1.1"
    timeout = 30

    def __init__(self, reader: Any, *args: Any) -> None:
        self._reader = reader
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer; every error of ours has a status and a JSON body."""
        try:
            body, kind = self._answer()
            self._send(200, body, kind)
        except ConnectionError:  # the client has gone
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - `problem` logs what is a bug of ours
            found = answers.problem(error)
            self._send(found.status, found.body(), _JSON)

    do_HEAD = do_GET  # noqa: N815 - http.server's name

    def do_POST(self) -> None:
        """Refuse, as Flower does; what the body says is not read, so the connection ends with the answer."""
        self.close_connection = True
        found = answers.Problem(405, "method_not_allowed", "this path is read with GET")
        self._send(found.status, found.body(), _JSON)

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_POST  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Scrapes every few seconds are not worth a line each."""

    def _answer(self) -> tuple[bytes, str]:
        url = urlsplit(self.path)
        path = url.path.removeprefix(_PREFIX).rstrip("/") or "/"
        params = dict(parse_qsl(url.query, keep_blank_values=True))
        if path == "/metrics":
            return prometheus.render(self._reader, self.headers.get("Accept", ""))
        for pattern, answer in answers.PATHS.items():
            parts = _parts(pattern, path.removeprefix(API)) if path.startswith(API) else None
            if parts is not None:
                return answer(self._reader, answers.joined(parts, params)), _JSON
        raise answers.NotFound(f"{path}: no such page; there are /metrics and {API}{', '.join(answers.PATHS)}")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _parts(pattern: str, path: str) -> list[str] | None:
    """Return what stands for the parts in braces of a path's pattern, None when it is another path."""
    names, given = pattern.split("/"), path.split("/")
    if len(names) != len(given) or not all(n == g or (n[:1] == "{" and g) for n, g in zip(names, given, strict=True)):
        return None
    return [unquote(g) for n, g in zip(names, given, strict=True) if n[:1] == "{"]


def _tick(monitor: Any, trouble: str, tell: Callable[[str], None]) -> str:
    """Tick if it is our turn; return what is wrong with the store, which is told when it changes."""
    try:
        ticker = monitor.ticker("serve")
        ticker.due(live.pace(ticker.store))
    except StoreError as error:
        if str(error) != trouble:
            tell(f"no tick: {error}")
        return str(error)
    return ""
