"""A real Chromium, and a shop with a worker to look at."""

from __future__ import annotations

import os
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


@pytest.fixture(scope="module")
def shop(redis_server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Flower and a worker of the same app on an empty store."""
    parts.require("chromium")
    require_page()
    with redis.Redis.from_url(redis_server.client_url) as client:
        client.flushall()
    folder: Path = tmp_path_factory.mktemp("shop")
    urls = {"CELERY_BROKER_URL": redis_server.url, "CELERY_RESULT_BACKEND": redis_server.url}
    command = worker_command(pool="prefork", concurrency=2, queues=None, hostname="shop@%h", options=())
    worker = CeleryProcess(APP, command, folder / "worker.log", ready=" ready.", env=urls).start()
    site = Site(redis_server.url, folder / "flower.log")
    yield site
    site.process.ask_to_stop()
    worker.stop()
    site.stop()


def publish(shop: Site, task: str, n: int, *args: object) -> None:
    """Publish as a process without a Monitor does."""
    with Celery(broker=shop.process.env["CELERY_BROKER_URL"]) as app:
        for _ in range(n):
            app.send_task(task, args=args, queue="orders")


def fits(page: Page, name: str) -> None:
    """Assert that a page is drawn in both themes at the least and the most usual width without sideways scrolling.

    With ``SCREENSHOTS=folder`` the pictures are kept there.
    """
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        until(partial(_is_shown, page, theme), what=f"the {theme} theme")
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") == width, (name, theme, width)
            if folder := os.environ.get("SCREENSHOTS"):
                page.screenshot(path=Path(folder) / f"{name}-{theme}-{width}.png", full_page=True)


def _is_shown(page: Page, theme: str) -> bool:
    return page.locator("html").get_attribute("data-bs-theme") in {theme, None}  # Flower 2.0 has no themes


OpenPage = Callable[..., "Page"]


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """``open_page(url, theme="dark", width=390)``; at the end no page may have logged an error."""
    errors: list[str] = []
    contexts = []

    def listen(message: ConsoleMessage) -> None:
        if message.type == "error" and not any(word in message.location["url"] for word in FLOWERS_OWN):
            errors.append(f"{message.text} ({message.location['url']})")

    def open_(
        url: str, *, theme: Literal["light", "dark"] = "light", width: int = 1280, bypass_csp: bool = False
    ) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, bypass_csp=bypass_csp
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
