"""A real Chromium, and a shop with a worker to look at: started once, so its figures are of all modules so far."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import pytest
import redis
from celery import Celery

from celery_monitor.cli.embedded import EmbeddedServer
from tests import parts
from tests.processes import CeleryProcess, worker_command
from tests.waiting import until
from tests.web.site import APP, Site, require_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page

FLAGS = (
    "--headless",
    "--no-sandbox",  # tests run as root in containers
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
THEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")
WIDTHS: Final = (390, 1600)
QUEUE: Final = "orders"
FLOWERS_OWN = ("bootstrap",)
"""Flower 2.1 complains in the console about its own tooltips."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, driven by playwright."""
    program = parts.require("chromium")
    sync_api = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def running_shop(rings_root: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Flower and a worker of the same app, with server and rings of their own: they outlive other rooms' tests."""
    parts.require("chromium")
    parts.require("redis-server")
    require_page()
    folder: Path = tmp_path_factory.mktemp("shop")
    rings = Path(f"{rings_root}-shop")
    rings.mkdir(mode=0o700)
    with EmbeddedServer() as server:
        env = {
            "CELERY_BROKER_URL": server.url,
            "CELERY_RESULT_BACKEND": server.url,
            "CELERY_MONITOR_RUNTIME_DIR": str(rings),
            "CELERY_MONITOR_QUEUE_INTERVAL": "1",
            "CELERY_MONITOR_RESOURCE_INTERVAL": "1",
        }
        command = worker_command(pool="prefork", concurrency=2, queues=None, hostname="shop@%h", options=())
        worker = CeleryProcess(APP, command, folder / "worker.log", ready=" ready.", env=env).start()
        site = Site(server.url, folder / "flower.log", env=env)
        yield site
        site.process.ask_to_stop()
        worker.stop()
        site.stop()
    shutil.rmtree(rings, ignore_errors=True)


@pytest.fixture(scope="module")
def shop(running_shop: Site) -> Site:
    """The shop when nothing waits or runs that an earlier module published."""

    def idle() -> bool:
        rows = running_shop.get("/monitor/api/v1/queues").json["queues"]
        return all(not row["running"] and not row["backlog"] for row in rows if row["queue"] == QUEUE)

    until(idle, seconds=60, step=0.2, what="an idle shop")
    return running_shop


def publish(shop: Site, task: str, n: int, *args: object) -> None:
    """Publish as a process without a Monitor does."""
    with Celery(broker=shop.process.env["CELERY_BROKER_URL"]) as app:
        for _ in range(n):
            app.send_task(task, args=args, queue=QUEUE)


def open_gate(shop: Site, gate: str) -> None:
    """Let the tasks that are held by a gate end."""
    url = shop.process.env["CELERY_BROKER_URL"].replace("redis+socket://", "unix://")
    with redis.Redis.from_url(url) as client:
        client.set(gate, 1)


SHOTS: Final = Path(os.environ.get("SCREENSHOTS") or parts.ROOT / "artifacts" / "screenshots")


def fits(page: Page, name: str) -> None:
    """Assert that a page is drawn in both themes at the least and the most usual width without sideways scrolling.

    The pictures are kept in `SHOTS`.
    """
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        until(partial(_is_shown, page, theme), what=f"the {theme} theme")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            until(partial(_is_wide, page, width), what=f"{name} in {theme} within {width} px")
            page.screenshot(path=SHOTS / f"{name}-{theme}-{width}.png", full_page=True)


def _is_wide(page: Page, width: int) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth") == width)


def _is_shown(page: Page, theme: str) -> bool:
    return page.locator("html").get_attribute("data-bs-theme") in {theme, None}  # Flower 2.0 has no themes


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """``open_page(url, theme="dark", width=390, user="a:password")``; at the end no page may have logged an error."""
    errors: list[str] = []
    contexts = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(word in message.location["url"] for word in FLOWERS_OWN):
            errors.append(f"{message.text} ({message.location['url']})")

    def open_(
        url: str,
        *,
        theme: Literal["light", "dark"] = "light",
        width: int = 1280,
        bypass_csp: bool = False,
        user: str | None = None,
    ) -> Page:
        name, _, password = (user or "").partition(":")
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            bypass_csp=bypass_csp,
            http_credentials={"username": name, "password": password} if user else None,
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("console", listen)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert errors == []
