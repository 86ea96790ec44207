"""A run of ten thousand steps in a real browser: folded or shown one by one, each within reach, the page small."""

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
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

MOST_ELEMENTS = 1_500
"""Of the tab, whatever the run is like, until somebody asks for more."""
MOST_ROWS = 100
"""Drawn of the waterfall's."""
GROUPS = 2
"""Rows that were unfolded."""
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
    group.get_by_role("link", name="in a list").click()
    page.get_by_role("link", name="Older").click()
    page.wait_for_url("**/executions?*cursor=*")
    page.locator("tbody tr", has_text="big.row").first.wait_for()


def scroll(page: Page, to: str) -> None:
    page.locator(".cm-wf").evaluate(f"frame => {{ frame.scrollTop = {to} }}")


def test_all_steps_stand_one_by_one_and_few_of_them_are_drawn(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{run}", width=1600)
    rows = page.locator(".cm-wf li")
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="Show all").wait_for(state="detached")
    for task in ("big.row", "big.load"):
        rows.filter(has_text=task).first.get_by_role("button").first.click()
    page.locator(f".cm-wf li[aria-setsize='{large_run.STEPS + GROUPS}']").first.wait_for()
    assert rows.count() < MOST_ROWS
    scroll(page, "frame.scrollHeight / 2")
    middle = page.locator(f".cm-wf li[aria-posinset='{large_run.STEPS // 2}']")
    middle.wait_for()
    assert rows.count() < MOST_ROWS
    scroll(page, "frame.scrollHeight")
    last = page.locator(f".cm-wf li[aria-posinset='{large_run.STEPS + GROUPS}']")
    until(lambda: in_sight(page, last), what="the last row is in sight")
    assert "big.sum" in last.inner_text()
    assert rows.count() < MOST_ROWS
    assert elements(page) < MOST_ELEMENTS
    last.get_by_role("button").click()
    page.get_by_role("complementary", name="Step big.sum").get_by_text("peak memory").wait_for()


def test_arrow_keys_reach_rows_that_are_not_drawn_and_keep_the_place(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{run}?limit=10000", width=1600)
    rows = page.locator(".cm-wf li")
    rows.filter(has_text="big.row").get_by_role("button").first.click()
    focused = page.locator(".cm-wf li:has(> button:focus)")
    here = int(focused.get_attribute("aria-posinset") or 0)
    for _ in range(60):
        page.keyboard.press("ArrowDown")
    page.locator(f".cm-wf li[aria-posinset='{here + 60}'] > button:focus").wait_for()
    until(lambda: in_sight(page, focused), what="what has the focus is in sight")
    scroll(page, "0")
    page.locator(".cm-wf li[aria-posinset='1']").wait_for()
    assert focused.get_attribute("aria-posinset") == str(here + 60)
    page.keyboard.press("ArrowUp")
    page.locator(f".cm-wf li[aria-posinset='{here + 59}'] > button:focus").wait_for()
    until(lambda: in_sight(page, focused), what="the keys go on where they were")
    page.keyboard.press("End")
    page.locator(".cm-wf li:has(> button:focus)", has_text="big.sum").wait_for()
    page.keyboard.press("Home")
    page.locator(".cm-wf li[aria-posinset='1'] > button:focus").wait_for()
    assert rows.count() < MOST_ROWS


def test_an_address_that_names_a_step_leads_to_its_row_wherever_that_is(
    shop: Site, run: str, open_page: OpenPage
) -> None:
    step = large_run.id_of(large_run.ROWS // 2)
    page = open_page(f"{shop.url}/monitor/runs/{run}?limit=10000&step={step}", width=1600)
    row = page.locator(".cm-wf li:has(> button[aria-pressed='true'])")
    until(lambda: row.count() == 1 and in_sight(page, row), what="the row is in sight, out of its group")
    assert "big.row" in row.inner_text()
    assert int(row.get_attribute("aria-posinset") or 0) > 3 * MOST_ROWS
    page.get_by_role("complementary", name="Step big.row").get_by_text(step).wait_for()
    scroll(page, "0")
    page.locator(".cm-wf li[aria-posinset='1'] > button").click()
    page.get_by_role("complementary", name="Step big.plan").wait_for()
    page.locator(".cm-wf li[aria-posinset='1'] > button[aria-pressed='true']").wait_for()
    assert page.locator(".cm-wf li").count() < MOST_ROWS


def in_sight(page: Page, row: Locator) -> bool:
    """Tell whether a row lies within the frame that scrolls."""
    frame, box = page.locator(".cm-wf").bounding_box(), row.bounding_box()
    assert frame
    return box is not None and frame["y"] <= box["y"] and box["y"] + box["height"] <= frame["y"] + frame["height"] + 1


def test_an_answer_that_is_known_is_not_sent_again(shop: Site, run: str) -> None:
    path = f"/monitor/api/v1/runs/{run}?form=columns&limit={large_run.STEPS}"
    first = shop.get(path)
    assert len(first.json["executions"]["id"]) == large_run.STEPS
    again = shop.get(path, headers={"If-None-Match": str(first.headers["Etag"])})
    assert (again.status, again.body) == (304, b"")


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
