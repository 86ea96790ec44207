"""The overview in a real browser, on a real Flower, with a real worker behind it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import OpenPage, fits, publish
from tests.waiting import until
from tests.web.shop import HOSTILE, LONG
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
tallied: list[int] = []


def ended(page: Page, task: str) -> int:
    """Return the figure in the column "Ended" of a task's row; 0 without a row."""
    row = page.locator("tbody tr", has=page.get_by_text(task, exact=True))
    if row.count() == 0:
        return 0
    heads = [re.sub(r"[▾▴]", "", head).strip() for head in page.locator("thead").first.locator("th").all_inner_texts()]
    text = row.first.locator("td").nth(heads.index("Ended")).inner_text()
    return int(re.sub(r"\D", "", text))


def tally(shop: Site, n: int) -> int:
    """Publish so many of a task that nothing else publishes; return how many there were in all."""
    tallied.append(n)
    publish(shop, "shop.tally", n, 1)
    return sum(tallied)


def wait_until_ended(page: Page, task: str, n: int) -> None:
    # Not wait_for_function: it evaluates text, which the page's content security policy forbids.
    until(lambda: ended(page, task) >= n, what=f"{n} ends of {task} on the page")


def background(page: Page) -> tuple[int, ...]:
    """Return the colour a card is painted with as red, green and blue."""
    colour = page.locator(".cm-card").first.evaluate("(card) => getComputedStyle(card).backgroundColor")
    return tuple(int(part) for part in re.findall(r"\d+", colour)[:3])


def test_the_tab_leads_from_flowers_page_to_figures_that_follow_the_tasks(shop: Site, open_page: OpenPage) -> None:
    first = tally(shop, 7)
    page = open_page(f"{shop.url}/tasks")
    page.get_by_role("link", name="Monitor").click()
    page.wait_for_url("**/monitor")
    wait_until_ended(page, "shop.tally", first)
    assert ended(page, "shop.tally") == first
    page.get_by_role("button", name="Live").wait_for()
    both = tally(shop, 5)
    wait_until_ended(page, "shop.tally", both)
    assert ended(page, "shop.tally") == both


def test_a_paused_page_stands_still_and_follows_again(shop: Site, open_page: OpenPage) -> None:
    before = tally(shop, 1)
    page = open_page(f"{shop.url}/monitor?window=6h")
    wait_until_ended(page, "shop.tally", before)
    refresh = page.get_by_role("group", name="Refresh")
    refresh.get_by_role("button", name="Off").click()
    refresh.get_by_role("button", name="Off", pressed=True).wait_for()
    after = tally(shop, 3)
    other = open_page(f"{shop.url}/monitor?window=6h")
    wait_until_ended(other, "shop.tally", after)  # it has arrived, the paused page shows it not
    assert ended(page, "shop.tally") == before
    refresh.get_by_role("button", name="Live").click()
    wait_until_ended(page, "shop.tally", after)


def test_a_page_that_is_gone_to_while_nothing_is_followed_is_asked_for_once(shop: Site, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/tasks")
    page.get_by_role("button", name="Off").click()
    page.get_by_role("link", name="Overview", exact=True).click()
    page.locator(".cm-verdict").wait_for()
    page.get_by_role("button", name="Off", pressed=True).wait_for()
    page.get_by_role("button", name="30 s").click()
    page.get_by_role("button", name="30 s", pressed=True).wait_for()
    page.locator(".cm-verdict").wait_for()


def test_a_hostile_task_name_is_text(shop: Site, open_page: OpenPage) -> None:
    publish(shop, HOSTILE, 1)
    page = open_page(f"{shop.url}/monitor")
    wait_until_ended(page, HOSTILE, 1)
    assert page.locator("#celery-monitor img").count() == 0
    assert page.title().endswith(" Monitor - Flower")


def test_failures_are_counted_with_their_exception(shop: Site, open_page: OpenPage) -> None:
    publish(shop, "shop.deliver", 2)
    page = open_page(f"{shop.url}/monitor", width=1600)
    wait_until_ended(page, "shop.deliver", 2)
    assert "ConnectionError" in page.locator("tbody tr", has_text="shop.deliver").first.inner_text()


def test_every_theme_and_width_shows_the_page_without_sideways_scrolling(shop: Site, open_page: OpenPage) -> None:
    publish(shop, "shop.charge", 1, 1)
    page = open_page(f"{shop.url}/monitor", theme="light")
    wait_until_ended(page, "shop.charge", 1)
    page.locator(".cm-plot canvas").wait_for()
    assert sum(background(page)) > 3 * 128
    fits(page, "overview")
    assert sum(background(page)) < 3 * 128, "it ends in the dark"


def test_what_is_dragged_over_is_the_time_of_every_page_that_is_gone_to(shop: Site, open_page: OpenPage) -> None:
    n = tally(shop, 1)
    page = open_page(f"{shop.url}/monitor?window=15m", width=1600)
    wait_until_ended(page, "shop.tally", n)
    box = page.locator(".cm-outcomes .u-over").bounding_box()
    assert box
    right, y = box["x"] + box["width"], box["y"] + box["height"] / 2
    page.mouse.move(right - 1, y)
    page.mouse.down()
    page.mouse.move(right - box["width"] / 2, y, steps=4)
    page.mouse.up()
    page.wait_for_url(re.compile(r"monitor\?since=.*&until="))
    range_ = parse_qs(urlsplit(page.url).query)
    wait_until_ended(page, "shop.tally", 1)
    page.get_by_role("button", name="Every 5 s").wait_for()
    for name in ("Queues", "Workflows", "Resources", "Schedule", "Workers"):
        page.get_by_label("Pages of the monitor").get_by_role("link", name=name, exact=True).click()
        page.get_by_role("heading", level=1, name=name).wait_for()
        assert parse_qs(urlsplit(page.url).query) == range_
        page.locator('.cm-windows a[aria-current="true"]', has_text="\u2013").wait_for()
    page.goto(f"{shop.url}/monitor?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z")
    page.get_by_text("No task was published or ended from").wait_for()


def test_choosing_a_window_puts_it_into_the_address_and_back_returns(shop: Site, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor")
    page.get_by_role("link", name="6h", exact=True).click()
    page.wait_for_url("**/monitor?window=6h")
    page.locator('.cm-windows a[aria-current="true"]', has_text="6h").wait_for()
    page.go_back()
    page.locator('.cm-windows a[aria-current="true"]', has_text="1h").wait_for()


def test_a_window_that_is_none_says_so_and_offers_one(shop: Site, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor?window=5x")
    page.get_by_text("This window cannot be shown.").wait_for()
    page.get_by_role("link", name="Show 1h").click()
    page.locator(".cm-verdict").wait_for()


def test_without_the_socket_the_page_polls(shop: Site, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/healthcheck")
    page.route_web_socket("**/monitor/ws**", lambda socket: socket.close())
    page.goto(f"{shop.url}/monitor")
    page.get_by_role("button", name="Every 5 s").wait_for()
    page.locator(".cm-verdict").wait_for()


def test_a_task_with_a_long_name_is_told_by_its_end_and_no_page_is_wider_for_it(
    shop: Site, open_page: OpenPage
) -> None:
    publish(shop, "shop.tour", 1)
    page = open_page(f"{shop.url}/monitor")
    page.locator(".cm-workflows", has_text=LONG).wait_for()
    fits(page, "overview-long-names")
    page.goto(f"{shop.url}/monitor/tasks")
    link = page.get_by_role("link", name=LONG)
    link.wait_for()
    whole, shown = link.locator("bdi").bounding_box(), link.bounding_box()
    assert whole
    assert shown
    assert whole["x"] < shown["x"]
    assert whole["x"] + whole["width"] <= shown["x"] + shown["width"] + 1
