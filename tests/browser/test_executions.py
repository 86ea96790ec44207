"""Executions in a real browser: the list, its filters and files, one of them, and the way to it by search."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.browser.conftest import OpenPage, fits, publish
from tests.waiting import until
from tests.web.shop import MARKUP
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


def told(shop: Site, path: str, key: str, n: int) -> list[Any]:
    """Wait until the API lists so many, and return them."""

    def enough() -> list[Any]:
        rows: list[Any] = shop.get(f"/monitor/api/v1{path}").json[key]
        return rows if len(rows) >= n else []

    return until(enough, seconds=40, step=0.2, what=f"{n} {key} at {path}")


@pytest.fixture(scope="module")
def failure(shop: Site) -> dict[str, Any]:
    """An execution that failed, with markup in its exception and log; others are there beside it."""
    publish(shop, "shop.attack", 1)
    publish(shop, "shop.charge", 3, 7)
    told(shop, "/executions?task=shop.charge&state=SUCCESS", "executions", 3)
    told(shop, "/executions?state=SUCCESS", "executions", 4)
    row = told(shop, "/executions?task=shop.shout&state=FAILURE", "executions", 1)[0]
    told(shop, f"/executions/{row['id']}/logs", "logs", 1)
    found: dict[str, Any] = row
    return found


def rows(page: Page) -> int:
    return page.locator("tbody tr").count()


def test_the_list_and_one_execution_fit_both_themes_and_every_width(
    shop: Site, failure: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/executions?state=FAILURE&run={failure['run_id']}")
    page.locator("tbody tr").first.wait_for()
    fits(page, "executions")
    page.get_by_role("link", name="shop.shout").click()
    page.wait_for_url(f"**/monitor/executions/{failure['id']}")
    page.locator(".cm-fault pre").wait_for()
    fits(page, "execution")


def test_markup_in_exceptions_and_logs_is_text(shop: Site, failure: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/executions/{failure['id']}")
    page.locator(".cm-fault", has_text=MARKUP).wait_for()
    page.locator(".cm-records li", has_text=f"logged {MARKUP}").wait_for()
    assert page.locator("#celery-monitor img").count() == 0
    assert page.title() == "shop.shout · Monitor - Flower"


def test_filters_stand_in_the_address_and_can_be_taken_off(
    shop: Site, failure: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/executions")
    page.get_by_label("task", exact=True).fill("shop.charge")
    page.get_by_label("task", exact=True).press("Enter")
    page.wait_for_url("**/executions?task=shop.charge")
    n = len(shop.get("/monitor/api/v1/executions?task=shop.charge").json["executions"])
    until(lambda: rows(page) == n, what="those of the task")
    page.get_by_label("state", exact=True).select_option("failed")
    page.wait_for_url("**/executions?task=shop.charge&state=FAILURE")
    page.get_by_text("No execution of this kind is recorded").wait_for()
    page.get_by_role("link", name="Clear").click()
    page.locator("tbody tr", has_text="shop.shout").first.wait_for()
    page.go_back()
    page.wait_for_url("**/executions?task=shop.charge&state=FAILURE")


def test_order_and_filter_of_the_rows_are_saved_as_a_file_too(
    shop: Site, failure: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/executions?run={failure['run_id']}")
    page.get_by_placeholder("filter rows").fill("SHOUT")
    until(lambda: rows(page) == 1, what="the one row")
    page.get_by_role("button", name="Runtime").click()
    page.wait_for_url("**/executions?run=*&q=SHOUT&sort=-runtime")
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert saved.value.suggested_filename == "executions.csv"
    (line,) = csv.DictReader(saved.value.path().read_text().splitlines())
    assert (line["task"], line["id"], line["state"]) == ("shop.shout", failure["id"], "FAILURE")
    with page.expect_download() as saved:
        page.get_by_role("button", name="JSON").click()
    assert [row["id"] for row in json.loads(saved.value.path().read_text())] == [failure["id"]]


def test_the_search_opens_an_id_and_a_name(shop: Site, failure: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor")
    page.locator(".cm-verdict").wait_for()
    page.keyboard.press("/")
    page.keyboard.type(failure["id"])
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/monitor/executions/{failure['id']}")
    page.get_by_label("Find a run").fill("CHARGE")
    page.keyboard.press("Enter")
    page.wait_for_url("**/monitor/tasks/shop.charge")
    fault = failure["attempts"][-1]["fingerprint"]
    page.get_by_label("Find a run").fill(fault)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/monitor/failures/{fault}")
    host = shop.get("/monitor/api/v1/hosts").json["hosts"][0]["host"]
    page.get_by_label("Find a run").fill(host)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/monitor/hosts/{host}")


def test_the_windows_of_a_list_are_in_its_address(shop: Site, failure: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/executions?task=shop.charge")
    page.get_by_label("Another range").click()
    page.get_by_placeholder("3h").fill("3h")
    page.get_by_placeholder("3h").press("Enter")
    page.wait_for_url("**/executions?task=shop.charge&window=3h")
    page.locator('.cm-windows a[aria-current="true"]', has_text="3h").wait_for()
    page.goto(f"{shop.url}/monitor/executions?since=2020-01-01T00:00:00Z&until=2020-01-02T00:00:00Z")
    page.get_by_text("No execution is recorded in this time.").wait_for()
    page.get_by_role("link", name="Look at the last 7d").click()
    page.locator("tbody tr").first.wait_for()


def test_times_are_local_or_utc_as_the_reader_likes_and_stay_so(
    shop: Site, failure: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/executions")
    page.get_by_role("button", name="Local").click()
    page.get_by_role("button", name="UTC").wait_for()
    page.reload()
    page.get_by_role("button", name="UTC").wait_for()
