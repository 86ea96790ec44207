"""Queues in a real browser: why is nothing moving, who holds what, and what nobody takes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

from tests.browser.conftest import OpenPage, fits, open_gate, publish
from tests.waiting import until
from tests.web.site import Site

pytestmark = pytest.mark.browser
GATE = "gate of the queues' test"
TYPO = "order"


def about(shop: Site, queue: str) -> dict[str, Any]:
    """Return the row of a queue, empty while it is not known."""
    rows = shop.get("/monitor/api/v1/queues").json["queues"]
    return next((row for row in rows if row["queue"] == queue), {})


@pytest.fixture(scope="module")
def stuck(shop: Site) -> Iterator[Site]:
    """A shop whose two slots are taken by tasks that do not end, and a queue that nobody takes from."""
    publish(shop, "shop.charge", 1, 1)
    publish(shop, "shop.held", 2, None, GATE)
    until(lambda: about(shop, "orders").get("running") == 2, seconds=60, what="both slots taken")
    publish(shop, "shop.charge", 30, 1)
    with Celery(broker=shop.process.env["CELERY_BROKER_URL"]) as app:
        app.send_task("shop.charge", args=(1,), queue=TYPO)
    until(lambda: about(shop, "orders").get("backlog"), seconds=60, what="a backlog")
    until(lambda: about(shop, TYPO).get("backlog"), seconds=60, what="the queue nobody takes from")
    yield shop
    open_gate(shop, GATE)


def test_queues_and_one_of_them_fit_every_theme_and_width(stuck: Site, open_page: OpenPage) -> None:
    page = open_page(f"{stuck.url}/monitor/queues")
    page.locator("tbody").get_by_role("link", name="orders", exact=True).wait_for()
    fits(page, "queues")
    page.locator("tbody").get_by_role("link", name="orders", exact=True).click()
    page.wait_for_url("**/monitor/queues/orders*")
    page.locator(".cm-over-time canvas").first.wait_for()
    fits(page, "queue")


def test_the_page_of_a_queue_says_why_nothing_moves(stuck: Site, open_page: OpenPage) -> None:
    page = open_page(f"{stuck.url}/monitor/queues/orders")
    finding = page.locator(".cm-finding")
    finding.get_by_text("messages wait").wait_for()
    finding.get_by_text("are busy; most with shop.held").wait_for()
    rows = page.get_by_role("region", name="Waiting now").locator("tbody tr")
    until(lambda: rows.count() > 0, what="what a worker holds")
    rows.filter(has_text="whose 2 slots are busy").first.wait_for()
    taker = page.get_by_role("region", name="Who takes from it").locator("tbody tr")
    assert taker.count() == 1
    assert "2 of 2" in taker.inner_text()
    # Published by a process without a Monitor: there is no page of it to lead to.
    assert rows.first.get_by_role("link", name="shop.charge").count() == 0


def test_a_queue_that_nobody_takes_from_stands_first_with_the_name_that_was_meant(
    stuck: Site, open_page: OpenPage
) -> None:
    page = open_page(f"{stuck.url}/monitor/queues")
    page.locator(".cm-finding li", has_text="did you mean 'orders'").wait_for()
    first = page.get_by_role("region", name="Queues").locator("tbody tr").first
    assert "nobody takes" in first.inner_text()
    severity = first.locator(".cm-badge").inner_text()[0]
    first.get_by_role("link", name=TYPO, exact=True).click()
    page.locator(".cm-finding", has_text="and nobody takes from it").wait_for()
    page.get_by_text("no worker consumes its queue").or_(page.get_by_text("known by its id")).first.wait_for()
    page.get_by_role("link", name="Overview", exact=True).click()
    row = page.get_by_role("region", name="Queues").locator("tbody tr")
    row = row.filter(has=page.get_by_role("link", name=TYPO, exact=True))
    assert row.locator(".cm-badge").inner_text()[0] == severity == "▲", "as the rule says"
