"""Workers, hosts and resources in a real browser: who is at work, how children died, and what each task costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests import parts
from tests.browser.conftest import OpenPage, fits, open_gate, publish
from tests.waiting import until
from tests.web.shop import HOSTILE, MARKUP
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

pytestmark = pytest.mark.browser
GATE = "gate of the workers' test"


def first(shop: Site) -> dict[str, Any]:
    """Return the one worker of the shop as the API has it."""
    rows = until(lambda: shop.get("/monitor/api/v1/workers").json["workers"], seconds=40, what="a worker")
    found: dict[str, Any] = shop.get(f"/monitor/api/v1/workers/{rows[0]['worker']}").json
    return found


@pytest.fixture(scope="module")
def busy(shop: Site) -> Iterator[dict[str, Any]]:
    """The worker after one of its children was killed, while another runs a task that does not end."""
    until(lambda: first(shop).get("children"), seconds=40, what="a look at the children")
    publish(shop, "shop.die", 1)
    until(lambda: first(shop)["deaths"], seconds=40, what="the death of a child")
    publish(shop, "shop.held", 1, None, GATE)
    until(lambda: first(shop)["busy"], seconds=40, what="a task that runs")
    yield first(shop)
    open_gate(shop, GATE)


def test_workers_one_worker_and_its_host_fit_every_theme_and_width(
    shop: Site, busy: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/workers")
    page.locator(".cm-finding", has_text="slots busy").wait_for()
    page.get_by_text("the app: 1 worker, 2 child").wait_for()
    fits(page, "workers")
    page.locator("tbody").get_by_role("link", name=busy["worker"]).click()
    page.wait_for_url("**/monitor/workers/*")
    page.locator(".cm-over-time canvas").first.wait_for()
    fits(page, "worker")
    page.locator(".cm-facts").get_by_role("link", name=busy["host"], exact=True).click()
    page.wait_for_url("**/monitor/hosts/*")
    page.locator(".cm-over-time canvas").first.wait_for()
    fits(page, "host")


def test_a_child_and_its_task_and_the_last_death_are_read_off_at_once(
    shop: Site, busy: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/workers/{busy['worker']}")
    page.locator(".cm-finding", has_text="1 of 2 slots busy").wait_for()
    children = page.get_by_role("region", name="Children")
    children.locator("tr", has_text="shop.held").wait_for()
    assert children.locator("tbody tr").count() == 3  # the main process stands below its children
    death = page.get_by_role("region", name="Last deaths").locator("tbody tr").first
    assert "SIGKILL" in death.inner_text()
    assert "shop.die" in death.inner_text()
    children.get_by_role("link", name="shop.held").click()
    page.wait_for_url("**/monitor/executions/*")
    page.get_by_text("running").first.wait_for()


def test_dragging_over_a_chart_becomes_the_time_of_the_page(
    shop: Site, busy: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/workers/{busy['worker']}?window=15m")
    plot = page.locator(".cm-over-time .u-over").first
    plot.scroll_into_view_if_needed()
    box = plot.bounding_box()
    assert box
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] * 0.5, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, y, steps=4)
    page.mouse.up()
    page.wait_for_url("**/workers/*since=*until=*")
    page.locator(".cm-section", has_text="\u2013").wait_for()
    page.get_by_label("Window of time").get_by_role("link", name="1h", exact=True).click()
    page.wait_for_url("**/workers/*?window=1h")


def changed(page: Page, path: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Let the page see the real answer with a change that no worker can be brought to within a test."""

    def answer(route: Route) -> None:
        reply = route.fetch()
        body = json.loads(reply.body())
        change(body)
        route.fulfill(response=reply, json=body)

    page.route(f"**/api/v1/{path}*", answer)


def limited(body: dict[str, Any]) -> None:
    """Say that children are replaced at 200 MiB, and that the first has had 150 and has 20 now."""
    body["max_memory_per_child_bytes"] = 200 << 20
    body["children"][0] |= {"rss_bytes": 20 << 20, "peak_rss_bytes": 150 << 20}


def test_a_childs_memory_is_held_against_the_limit_at_which_it_is_replaced(
    shop: Site, busy: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page("about:blank")
    changed(page, f"workers/{quote(busy['worker'], safe='')}", limited)
    page.goto(f"{shop.url}/monitor/workers/{busy['worker']}")
    children = page.get_by_role("region", name="Children")
    children.locator("[title='75\u202f%, at most 150\u202fMiB']").wait_for()
    page.get_by_text("of the 200 MiB after which it is replaced").wait_for()


def crowd(body: dict[str, Any]) -> None:
    """Make a thousand of the one worker, with every state among them."""
    one = body["workers"][0]
    bad = {0: "zombie", 1: "lost", 2: "skewed", 3: "stopped"}
    body["workers"] = [
        {**one, "worker": f"w{n}@{MARKUP}", "state": bad.get(n, "ok"), "note": f"note {MARKUP}" if n < 3 else None}
        for n in range(1000)
    ]


def test_a_thousand_workers_stay_usable_and_the_worst_stand_first(
    shop: Site, busy: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page("about:blank")
    changed(page, "workers", crowd)
    page.goto(f"{shop.url}/monitor/workers")
    page.locator(
        ".cm-finding", has_text="3 of 999 workers want a look: 1 takes nothing, 1 lost, 1 clock off"
    ).wait_for()
    rows = page.get_by_role("region", name="Workers").locator("tbody tr")
    assert [
        word in rows.nth(i).inner_text() for i, word in enumerate(("takes nothing", "lost", "clock off", "ok"))
    ] == [True] * 4
    assert rows.count() == 50
    page.get_by_placeholder("filter rows").fill("w777@")
    until(lambda: rows.count() == 1, what="the one of that name")
    page.get_by_placeholder("filter rows").fill("")
    page.get_by_role("link", name="and 1 worker that is gone").click()
    page.wait_for_url("**/workers?gone=1")
    page.get_by_placeholder("filter rows").fill("stopped")
    until(lambda: rows.count() == 1, what="the one that said goodbye")
    page.get_by_role("button", name="CSV").first.wait_for()
    assert page.locator("#celery-monitor img").count() == 0


@pytest.fixture(scope="module")
def spent(shop: Site) -> Site:
    """A shop whose tasks have cost something, one of them with markup for a name."""
    publish(shop, "shop.charge", 5, 1)
    publish(shop, HOSTILE, 1)
    path = "/monitor/api/v1/resources"
    until(
        lambda: {r["task"] for r in shop.get(path).json["tasks"]} >= {"shop.charge", HOSTILE}, seconds=60, what="both"
    )
    return shop


def test_the_ranking_fits_every_theme_and_width(spent: Site, open_page: OpenPage) -> None:
    page = open_page(f"{spent.url}/monitor/resources")
    page.locator(".cm-finding", has_text="of all CPU time").wait_for()
    fits(page, "resources")


def test_another_ranking_stands_in_the_address_and_in_the_sentence(spent: Site, open_page: OpenPage) -> None:
    page = open_page(f"{spent.url}/monitor/resources?window=1h")
    page.get_by_label("What tasks are ranked by").get_by_role("link", name="memory").click()
    page.wait_for_url("**/resources?window=1h&by=memory")
    page.locator(".cm-finding", has_text="reaches the highest memory").wait_for()
    page.get_by_role("link", name="network").click()
    page.locator(".cm-finding", has_text="Network traffic is not counted").wait_for()
    page.locator("tbody tr", has_text=MARKUP).wait_for()
    assert page.locator("#celery-monitor img").count() == 0
    page.locator("tbody").get_by_role("link", name="shop.charge", exact=True).click()
    page.wait_for_url("**/monitor/tasks/shop.charge?window=1h")


def test_axe_finds_nothing_serious(shop: Site, busy: dict[str, Any], open_page: OpenPage) -> None:
    axe = parts.ROOT / "frontend/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed (npm ci in frontend/)")
    page = open_page(f"{shop.url}/monitor", theme="dark", bypass_csp=True)
    found: list[str] = []
    for path in (
        "workers",
        f"workers/{busy['worker']}",
        f"hosts/{busy['host']}",
        "resources",
        "queues",
        "queues/orders",
    ):
        page.goto(f"{shop.url}/monitor/{path}")
        page.locator("tbody tr").first.wait_for()
        page.evaluate(axe.read_text())
        told = page.evaluate("axe.run('#celery-monitor', {resultTypes: ['violations']})")
        grave = [v for v in told["violations"] if v["impact"] in ("serious", "critical")]
        found += [f"{path} {v['id']}: {v['nodes'][0]['html'][:200]}" for v in grave]
    assert found == []
