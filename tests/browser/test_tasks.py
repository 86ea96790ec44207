"""Task names and one task in a real browser: figures, the chart and its zoom, and names that are markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

import pytest

from tests.browser.conftest import OpenPage, fits, publish
from tests.waiting import until
from tests.web.shop import HOSTILE, MARKUP
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def busy(shop: Site) -> Site:
    """A shop in which something succeeded and something failed, and a task is named like markup."""
    publish(shop, "shop.charge", 5, 7)
    publish(shop, "shop.deliver", 3)
    publish(shop, HOSTILE, 1)
    all_ = {"shop.charge": 5, "shop.deliver": 3, HOSTILE: 1}
    until(lambda: all(ended(shop).get(task, 0) >= n for task, n in all_.items()), seconds=40, what="all ends")
    return shop


def ended(shop: Site) -> dict[str, int]:
    return {row["task"]: row["ended"] for row in shop.get("/monitor/api/v1/tasks").json["tasks"]}


def plot(page: Page) -> FloatRect:
    """Wait for the chart and return its place."""
    canvas = page.locator(".cm-chart canvas")

    def laid_out() -> FloatRect | None:
        box = canvas.bounding_box()
        return box if box and box["height"] > 200 else None

    found = until(laid_out, what="the chart's layout")
    assert found
    return found


def test_the_list_and_one_task_fit_every_theme_and_width(busy: Site, open_page: OpenPage) -> None:
    page = open_page(f"{busy.url}/monitor/tasks")
    page.locator("tbody tr", has_text="shop.charge").wait_for()
    fits(page, "tasks")
    page.get_by_role("link", name="shop.deliver").click()
    page.wait_for_url("**/monitor/tasks/shop.deliver?window=24h")
    page.locator("h1", has_text="100\u202f% fail").wait_for()
    page.locator(".cm-tile", has_text="Turnaround p95").wait_for()
    plot(page)
    fits(page, "task")


def test_the_chart_paints_cells_and_tells_a_column_by_pointer_and_by_keys(busy: Site, open_page: OpenPage) -> None:
    page = open_page(f"{busy.url}/monitor/tasks/shop.charge?window=15m")
    box = plot(page)
    colours = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    assert page.locator(".cm-chart canvas").evaluate(colours) > 4
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 80)
    page.locator(".cm-legend .cm-when").wait_for()
    page.mouse.move(2, 2)
    page.locator(".cm-legend .cm-when").wait_for(state="detached")
    page.locator(".cm-chart canvas").focus()
    page.keyboard.press("ArrowLeft")
    page.locator(".cm-legend .cm-when").wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("since=.*until="))


def test_what_is_dragged_over_becomes_the_window_of_the_page_and_of_its_links(busy: Site, open_page: OpenPage) -> None:
    page = open_page(f"{busy.url}/monitor/tasks/shop.charge?window=1h")
    box = plot(page)
    right = box["x"] + box["width"] - 40
    page.mouse.move(right - 200, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(right, box["y"] + 60, steps=4)
    page.locator(".cm-chart-chosen").wait_for()
    page.mouse.up()
    page.wait_for_url(re.compile("since=.*until="))
    range_ = parse_qs(urlsplit(page.url).query)
    page.locator('.cm-windows a[aria-current="true"]', has_text="\u2013").wait_for()
    link = page.get_by_role("link", name="executions", exact=True)
    behind = parse_qs(urlsplit(link.get_attribute("href") or "").query)
    assert behind == {"task": ["shop.charge"], "since": range_["since"], "until": range_["until"]}
    page.go_back()
    page.wait_for_url("**/tasks/shop.charge?window=1h")


def test_new_ends_are_seen_without_a_reload(busy: Site, open_page: OpenPage) -> None:
    page = open_page(f"{busy.url}/monitor/tasks?q=audit")
    page.get_by_text("No row has this in it.").wait_for()
    publish(busy, "shop.audit", 2)
    page.locator("tbody tr", has_text="shop.audit").wait_for()


def test_a_name_that_is_markup_is_text(busy: Site, open_page: OpenPage) -> None:
    page = open_page(f"{busy.url}/monitor/tasks")
    page.get_by_role("link", name=MARKUP).click()
    page.wait_for_url(f"**/monitor/tasks/{quote(HOSTILE, safe='')}*")
    page.locator("h1", has_text=HOSTILE).wait_for()
    plot(page)
    assert page.locator("#celery-monitor img").count() == 0
    assert page.title() == f"{HOSTILE} · Monitor - Flower"


def test_a_quiet_time_says_so_and_leads_out(busy: Site, open_page: OpenPage) -> None:
    quiet = f"{busy.url}/monitor/tasks/shop.charge?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z"
    page = open_page(quiet, width=390)
    page.get_by_text("It was neither published nor did it end").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.get_by_role("link", name="Look at the last 24h").click()
    plot(page)
