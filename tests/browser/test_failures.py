"""Failures by kind, one kind, and the logs in a real browser."""

from __future__ import annotations

import csv
from typing import Any
from urllib.parse import quote

import pytest

from tests.browser.conftest import OpenPage, fits, publish
from tests.waiting import until
from tests.web.shop import MARKUP
from tests.web.site import Site

pytestmark = pytest.mark.browser


SOURCE = "the depot"


@pytest.fixture(scope="module")
def failed(shop: Site) -> dict[str, dict[str, Any]]:
    """A shop in which two kinds of failures happened, one of them with markup, and that logged; kinds by exception."""
    publish(shop, "shop.deliver", 3)
    publish(shop, "shop.attack", 1)
    publish(shop, "shop.fetch", 2, SOURCE)
    logs = [f"/monitor/api/v1/logs?{query}" for query in (f"text={quote(SOURCE)}", "task=shop.shout")]

    def both() -> dict[str, dict[str, Any]] | None:
        rows = shop.get("/monitor/api/v1/failures").json["failures"]
        found = {row["exception"]: row for row in rows if row["count"]}  # not what was only retried
        whole = found.get("ConnectionError", {}).get("count", 0) >= 3 and "RuntimeError" in found
        return found if whole and [len(shop.get(path).json["logs"]) for path in logs] >= [2, 1] else None

    found = until(both, seconds=40, step=0.2, what="both kinds and the logs")
    assert found
    return found


def test_the_kinds_one_kind_and_the_logs_fit_every_theme_and_width(
    shop: Site, failed: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/failures?window=6h")
    page.get_by_role("link", name="ConnectionError the webhook does not answer").click()
    page.wait_for_url(f"**/monitor/failures/{failed['ConnectionError']['fingerprint']}?window=6h")
    page.locator("pre", has_text="ConnectionError").wait_for()
    page.locator(".cm-chart canvas").wait_for()
    fits(page, "failure")
    page.go_back()
    page.locator("tbody tr").first.wait_for()
    fits(page, "failures")
    page.goto(f"{shop.url}/monitor/logs")
    page.locator(".cm-tail li").first.wait_for()
    fits(page, "logs")


def test_a_kind_tells_where_it_happened_and_whom_it_hit(
    shop: Site, failed: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    kind = failed["ConnectionError"]
    page = open_page(f"{shop.url}/monitor/failures/{kind['fingerprint']}")
    page.locator(".cm-card", has_text="Executions it hit").locator("tbody tr").nth(2).wait_for()
    workers = page.locator(".cm-card", has_text="Workers").locator("tbody tr")
    assert workers.count() == 1
    assert kind["workers"][0]["worker"] in workers.first.inner_text()
    page.locator(".cm-facts").get_by_role("link", name=str(kind["count"]), exact=True).click()
    page.wait_for_url(f"**/monitor/executions?fingerprint={kind['fingerprint']}&window=24h")
    until(lambda: page.locator("tbody tr").count() == kind["count"], what="the executions")


def test_markup_in_messages_tracebacks_and_logs_is_text(
    shop: Site, failed: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/failures?task=shop.shout")
    page.get_by_role("link", name="RuntimeError").click()
    page.locator(".cm-fault", has_text=MARKUP).wait_for()
    assert page.locator("#celery-monitor img").count() == 0
    page.goto(f"{shop.url}/monitor/logs?task=shop.shout")
    page.locator(".cm-tail li", has_text=f"logged {MARKUP}").first.wait_for()
    assert page.locator("#celery-monitor img").count() == 0
    assert page.title() == "Logs · Monitor - Flower"


def test_logs_are_searched_by_text_and_level_and_saved(
    shop: Site, failed: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/logs")
    page.get_by_label("text", exact=True).fill("DEPOT IS SLOW")
    page.get_by_label("text", exact=True).press("Enter")
    page.wait_for_url("**/logs?text=DEPOT+IS+SLOW")
    until(lambda: page.locator(".cm-tail li").count() == 2, what="the two records")
    assert page.locator(".cm-tail mark").all_inner_texts() == ["depot is slow", "depot is slow"]
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.DictReader(saved.value.path().read_text().splitlines()))
    assert [(row["level"], row["message"], row["task"]) for row in rows] == [
        ("WARNING", f"{SOURCE} is slow", "shop.fetch")
    ] * 2
    page.get_by_label("level", exact=True).select_option("error and above")
    page.get_by_text("No record of this kind is stored of this time.").wait_for()


def test_new_records_wait_while_the_list_is_pointed_at(
    shop: Site, failed: dict[str, dict[str, Any]], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/logs?task=shop.fetch")
    lines = page.locator(".cm-tail li")
    lines.first.wait_for()
    before = lines.count()
    lines.first.hover()
    publish(shop, "shop.fetch", 1, "orders")
    page.get_by_text("1\u202fnew record when you go elsewhere").wait_for()
    assert lines.count() == before
    page.mouse.move(2, 2)
    until(lambda: lines.count() == before + 1, what="the new record")
