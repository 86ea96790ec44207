"""A real Flower of an app with a Monitor, and a client that returns every answer, errors too."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from celery_monitor.web import assets
from tests import parts
from tests.processes import CeleryProcess

APP = "tests.web.shop:app"


def require_page() -> assets.Assets:
    """Return the built page; without it skip the test, or fail when ``CI=true``."""
    if built := assets.load():
        return built
    reason = "the page is not built (npm ci && npm run build in frontend/)"
    if parts.in_ci():
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Answer(NamedTuple):
    """What the server said."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json", self
        return json.loads(self.body, parse_constant=no_number)

    @property
    def text(self) -> str:
        return self.body.decode()


def no_number(name: str) -> None:
    """Python's parser takes NaN and Infinity, browsers do not."""
    raise AssertionError(f"{name} is not JSON")


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Shows redirects instead of following them."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


class Site:
    """A running Flower.

    Args:
        broker: URL of the broker, which is the Monitor's store too.
        log: file of its output.
        options: of Flower's command line.
        env: variables added to its environment.
    """

    def __init__(self, broker: str, log: Path, *options: str, env: Mapping[str, str] | None = None) -> None:
        urls = {"CELERY_BROKER_URL": broker, "CELERY_RESULT_BACKEND": broker}
        # Flower 2.0 prints the port that was asked for, so 0 would not tell which one it got.
        self.port = free_port()
        command = ["flower", f"--port={self.port}", "--address=127.0.0.1", *options]
        self.process = CeleryProcess(APP, command, log, ready="Registered tasks", env={**urls, **(env or {})}).start()
        self.url = f"http://127.0.0.1:{self.port}"

    def get(
        self, path: str, *, method: str = "GET", user: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Ask for a path; `user` is ``name:password``."""
        request = urllib.request.Request(
            self.url + path, method=method, headers={**credentials(user), **(headers or {})}
        )
        try:
            with urllib.request.build_opener(NoRedirect).open(request, timeout=20) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def frames(
        self, path: str, n: int, *, user: str | None = None, headers: Mapping[str, str] | None = None
    ) -> list[Any]:
        """Connect a WebSocket and return its first `n` frames."""

        async def listen() -> list[Any]:
            request = HTTPRequest(
                self.url.replace("http", "ws") + path, headers={**credentials(user), **(headers or {})}
            )
            client = await websocket_connect(request)
            frames = [json.loads(await client.read_message() or "null") for _ in range(n)]
            client.close()
            while await client.read_message() is not None:
                pass
            return frames

        return asyncio.run(asyncio.wait_for(listen(), 30))

    def upgrade(self, path: str, *, origin: str) -> int:
        """Ask for a WebSocket as a browser at `origin` does; return the status, 101 when it is granted."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        handshake = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        key = {"Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode()}
        connection.request("GET", path, headers={**handshake, **key, "Origin": origin})
        try:
            with connection.getresponse() as answer:
                return answer.status
        finally:
            connection.close()

    def stop(self) -> int:
        """End it and return its exit code."""
        return self.process.stop()


def free_port() -> int:
    """Return a port of the loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def credentials(user: str | None) -> dict[str, str]:
    """Return the header of HTTP's basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(user.encode()).decode()} if user else {}
