"""A thousand workers and five hundred task names in a real browser: few rows are drawn, keys reach all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.store.connection import Store
from tests import parts
from tests.browser import large_fleet
from tests.browser.conftest import OpenPage
from tests.waiting import until
from tests.web.site import Site, require_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

MOST_ROWS = 150
MOST_ELEMENTS = 6_000
"""Of the tab: a thousand rows of workers, all of them drawn, are 38,000."""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A Flower of a fleet that nobody works in: pages stand still but for the time that passes."""
    parts.require("chromium")
    parts.require("redis-server")
    require_page()
    with EmbeddedServer() as server:
        store = Store.open(server.url, "shop", timeout_s=10.0)
        large_fleet.hand_in(store)
        store.close()
        site = Site(server.url, tmp_path_factory.mktemp("fleet") / "flower.log")
        yield site
        site.stop()


def drawn(page: Page) -> int:
    return page.locator("tbody").first.locator("tr:not([aria-hidden])").count()


def focused(page: Page) -> str:
    """Return the name of the row that has the keyboard, empty when none has."""
    found: str = page.evaluate("document.activeElement.matches('td a.cm-name') ? document.activeElement.innerText : ''")
    return found


@pytest.mark.parametrize(("path", "sort"), [("workers", "worker"), ("tasks", "task")])
def test_all_rows_are_gone_through_by_keys_and_few_are_drawn(
    fleet: Site, open_page: OpenPage, path: str, sort: str
) -> None:
    page = open_page(f"{fleet.url}/monitor/{path}?sort={sort}", width=1600)
    rows = page.locator("tbody").first.locator("tr:not([aria-hidden])")
    rows.first.wait_for()
    page.get_by_role("button", name="Show all").first.press("Enter")
    until(lambda: page.locator("table").first.get_attribute("aria-rowcount") != str(drawn(page) + 1), what="all rows")
    assert drawn(page) < MOST_ROWS
    rows.first.locator("a.cm-name").focus()
    first = focused(page)
    page.keyboard.press("End")
    until(lambda: focused(page) not in {"", first}, what="the last row")
    last = rows.last.locator("a.cm-name").inner_text()
    assert focused(page) == last
    for key in ("ArrowUp", "PageUp", "PageUp", "PageUp", "PageUp", "PageDown", "PageDown", "PageDown", "PageDown"):
        before = focused(page)
        page.keyboard.press(key)
        until(lambda before=before: focused(page) not in {"", before}, what=key)  # type: ignore[misc]
        assert drawn(page) < MOST_ROWS
    page.keyboard.press("ArrowDown")
    assert focused(page) == last
    page.keyboard.press("Home")
    until(lambda: focused(page) == first, what="the first row")
    assert page.evaluate("document.querySelectorAll('#celery-monitor *').length") < MOST_ELEMENTS


def test_rows_are_narrowed_and_scrolled_to_their_end(fleet: Site, open_page: OpenPage) -> None:
    page = open_page(f"{fleet.url}/monitor/workers?sort=worker", width=1600)
    page.get_by_role("button", name="Show all").first.press("Enter")
    last = large_fleet.worker(large_fleet.WORKERS - 1)
    button = page.get_by_role("button", name="Show the first")
    button.scroll_into_view_if_needed()
    page.get_by_role("link", name=last, exact=True).wait_for()
    assert drawn(page) < MOST_ROWS
    field = page.get_by_label("Filter the rows of Workers")
    field.focus()
    page.keyboard.type("worker-077")
    until(lambda: drawn(page) == 10, what="the ten of these letters")
    assert page.locator("tbody").first.locator("tr[aria-hidden]").count() == 0
    page.keyboard.press("Escape")
    until(lambda: drawn(page) > 10, what="all of them again")
    assert field.input_value() == ""
