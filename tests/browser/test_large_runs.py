"""A run of ten thousand steps in a real browser: folded in both pictures, each step within reach, the page small."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from celery_monitor.store.connection import Store
from tests.browser import large_run
from tests.browser.conftest import OpenPage, fits
from tests.waiting import until
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

MOST_ELEMENTS = 1_500
"""Of the tab, whatever the run is like, until somebody asks for more."""
MOST_UNFOLDED = 12_000
"""With 500 steps one by one, which is as many as the API tells."""
THOUSANDS = "\u202f"


@pytest.fixture(scope="module")
def run(shop: Site) -> str:
    """The run's id; it ended an hour ago, so that no list of what is new begins with it."""
    store = Store.open(shop.process.env["CELERY_BROKER_URL"], "shop", timeout_s=10.0)
    id_ = large_run.hand_in(store, time.time_ns() // 1000 - 3_600 * large_run.SECOND)

    def told() -> bool:
        answer = shop.get(f"/monitor/api/v1/runs/{id_}")
        return answer.status == 200 and answer.json["known"] == large_run.STEPS

    until(told, seconds=60, step=0.5, what="the run is whole")
    store.close()
    return id_


def elements(page: Page) -> int:
    """Return how many elements the tab is made of."""
    found: int = page.evaluate("document.querySelectorAll('#celery-monitor *').length")
    return found


def test_the_waterfall_is_few_rows_and_every_step_is_within_reach(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{run}", width=1600)
    rows = page.locator(".cm-wf li")
    group = rows.filter(has_text=f"\u00d77{THOUSANDS}998")
    group.wait_for()
    assert rows.count() < 40
    assert elements(page) < MOST_ELEMENTS
    assert group.locator(".cm-wf-worst button .cm-state-critical").count() == large_run.FAILED
    page.get_by_role("link", name="Show 500").click()
    page.get_by_text("500 of").wait_for()
    rows.filter(has_text="big.load").first.get_by_role("button").first.click()
    until(lambda: rows.count() > 400, what="the members are rows")
    assert elements(page) < MOST_UNFOLDED
    last = rows.filter(has_text="big.sum").get_by_role("button")
    last.click()
    page.get_by_role("complementary", name="Step big.sum").get_by_text("peak memory").wait_for()
    group.get_by_role("link", name="in a list").click()
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**/executions?*cursor=*")
    page.locator("tbody tr", has_text="big.row").first.wait_for()


def test_the_graph_is_few_nodes_and_opens_a_group_as_a_frame(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{run}?view=graph", width=1600)
    nodes = page.locator(".cm-node")
    group = nodes.filter(has_text=f"\u00d77{THOUSANDS}998")
    group.wait_for()
    assert nodes.count() == 5
    assert page.locator(".cm-graph-edges path").count() == 4
    words = group.inner_text()
    assert f"■ {large_run.FAILED}" in words
    assert "p50 100 ms" in words.replace(THOUSANDS, " ")
    assert elements(page) < MOST_ELEMENTS
    fits(page, "graph-large")
    page.set_viewport_size({"width": 1600, "height": 900})
    group.get_by_role("button").click()
    members = group.locator(".cm-member")
    until(lambda: large_run.FAILED <= members.count() <= 120, what="members in a frame")
    assert elements(page) < MOST_ELEMENTS
    members.filter(has_text="■").first.click()
    page.get_by_role("complementary", name="Step big.row").get_by_text("ValueError", exact=True).wait_for()
    group.get_by_role("link", name="all in a list").click()
    page.locator("tbody tr", has_text="big.row").first.wait_for()
