"""How pages are fetched in a real browser: each with its own files, without moving, and told when one is gone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.browser.conftest import WIDTHS, OpenPage
from tests.waiting import until
from tests.web.site import Site, require_page

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Route

pytestmark = pytest.mark.browser


def test_a_page_fetches_the_files_of_its_room_and_others_when_they_are_gone_to(shop: Site, open_page: OpenPage) -> None:
    page = open_page("about:blank")
    fetched: list[str] = []
    page.on("request", lambda request: fetched.append(urlsplit(request.url).path))

    def scripts() -> set[str]:
        return {path.rpartition("/")[2] for path in fetched if "/monitor/static/" in path and path.endswith(".js")}

    rooms = require_page().pages
    page.goto(f"{shop.url}/monitor/logs")
    page.get_by_label("level", exact=True).wait_for()
    assert scripts() == set(rooms["logs"])
    page.get_by_role("link", name="Queues", exact=True).click()
    page.get_by_role("region", name="Queues").wait_for()
    assert scripts() == set(rooms["logs"]) | set(rooms["queues"])


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_moves_when_the_files_of_a_page_have_come(shop: Site, open_page: OpenPage, width: int) -> None:
    page = open_page(f"{shop.url}/monitor", width=width)
    page.locator(".cm-verdict").wait_for()
    held: list[Route] = []
    page.route("**/static/runs-*.js", lambda route: held.append(route))
    page.get_by_role("link", name="Runs", exact=True).click()
    heading = page.locator(".cm-head h1", has_text="Runs")
    heading.wait_for()
    until(lambda: page.get_by_text("Loading…").is_visible() and held, what="the word that it takes long")
    before = heading.bounding_box()
    held[0].continue_()
    page.get_by_label("state", exact=True).wait_for()
    after = heading.bounding_box()
    assert before
    assert after
    assert (before["x"], before["y"], before["height"]) == (after["x"], after["y"], after["height"])


def test_a_file_that_is_gone_is_told_and_loading_again_helps(shop: Site, browser: Browser) -> None:
    # Not by `open_page`: the browser logs the answer 404 as an error.
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{shop.url}/monitor/logs")
        page.get_by_label("level", exact=True).wait_for()
        page.route("**/static/*.js", lambda route: route.fulfill(status=404))
        page.get_by_role("link", name="Queues", exact=True).click()
        page.get_by_text("This page could not be fetched.").wait_for()
        page.get_by_role("link", name="Logs", exact=True).click()
        page.get_by_label("level", exact=True).wait_for()  # what is there already is not lost
        page.get_by_role("link", name="Runs", exact=True).click()
        page.get_by_text("This page could not be fetched.").wait_for()
        page.unroute("**/static/*.js")
        page.get_by_role("link", name="Load it again").click()
        page.get_by_label("state", exact=True).wait_for()
        assert page.get_by_text("This page could not be fetched.").count() == 0


def test_an_address_that_is_refused_is_not_asked_again_and_leads_to_the_list(shop: Site, browser: Browser) -> None:
    # Not by `open_page`: the browser logs the answer 400 as an error.
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{shop.url}/monitor/failures/nope")
        page.get_by_role("button", name="Not asked again").wait_for()
        page.get_by_role("link", name="Show all").click()
        page.get_by_role("heading", level=1, name="Failures").wait_for()
        page.wait_for_url(f"{shop.url}/monitor/failures")


def test_a_page_whose_store_is_down_has_its_title_and_says_why(
    redis_url: str, browser: Browser, tmp_path: Path
) -> None:
    site = Site(redis_url, tmp_path / "flower.log", env={"CELERY_MONITOR_URL": f"redis+socket://{tmp_path}/none.sock"})
    try:
        # Not by `open_page`: the browser logs the answer 503 as an error.
        with browser.new_context() as context:
            page = context.new_page()
            page.goto(f"{site.url}/monitor")
            for room in ("Overview", "Queues", "Overview"):
                page.get_by_label("Pages of the monitor").get_by_role("link", name=room, exact=True).click()
                page.get_by_role("alert").get_by_text("The store does not answer.").wait_for()
                page.get_by_role("heading", level=1, name=room).wait_for()
                assert page.locator("#celery-monitor h1").count() == 1
    finally:
        site.stop()


def test_the_word_of_the_page_is_in_sight_also_after_the_window_was_made_narrow(
    shop: Site, open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/schedule", width=1600)
    pages = page.get_by_label("Pages of the monitor")
    word = pages.get_by_role("link", name="Schedule", exact=True)
    word.wait_for()
    page.set_viewport_size({"width": WIDTHS[0], "height": 900})
    until(lambda: _is_within(word, pages), what="the word is in sight")


def _is_within(inner: Locator, outer: Locator) -> bool:
    small, large = inner.bounding_box(), outer.bounding_box()
    assert small
    assert large
    return large["x"] <= small["x"] and small["x"] + small["width"] <= large["x"] + large["width"] <= WIDTHS[0]
