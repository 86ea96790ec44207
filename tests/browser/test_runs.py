"""Workflows and runs in a real browser: lists, one definition, the waterfall of a run, live while it lasts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests import parts
from tests.browser.conftest import OpenPage, fits, open_gate, publish
from tests.waiting import until
from tests.web.shop import HOSTILE, MARKUP, NIGHTLY
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

ROWS = 24
"""Members of the chord in the run that is over: more than stand in rows of their own."""
GATE = "the gate of the run that lasts"


def runs(shop: Site, query: str) -> list[Any]:
    found: list[Any] = shop.get(f"/monitor/api/v1/runs?{query}").json["runs"]
    return found


@pytest.fixture(scope="module")
def recorded(shop: Site) -> Iterator[dict[str, str]]:
    """Runs by what they are: one that is over, one that lasts until its gate opens, one full of markup."""
    publish(shop, "shop.night", 1, ROWS)

    def ended() -> list[Any]:  # other modules run the same workflow with fewer rows
        return [r for r in runs(shop, f"state=SUCCEEDED&workflow={quote(NIGHTLY)}") if r["known"] > ROWS]

    over = until(ended, seconds=40, step=0.2, what="a run is over")[0]
    publish(shop, "shop.night", 1, 3, GATE)
    publish(shop, "shop.attack", 1)

    def held() -> list[Any]:
        return [r for r in runs(shop, f"state=RUNNING&workflow={quote(NIGHTLY)}") if "shop.held" in r["tasks"]]

    (lasting,) = until(held, seconds=40, step=0.2, what="the step behind the gate runs")
    query = f"workflow={quote(MARKUP)}"
    attacked = until(
        lambda: [r for r in runs(shop, query) if r["errors"]], seconds=40, step=0.2, what="markup is there"
    )
    told = f"/monitor/api/v1/runs/{attacked[0]['id']}"
    until(lambda: shop.get(f"{told}/logs").json["logs"] and shop.get(told).json["waits"], step=0.2, what="its log")
    yield {"over": over["id"], "lasting": lasting["id"], "hostile": attacked[0]["id"]}
    open_gate(shop, GATE)  # else the worker's end waits for the task behind it


def row(page: Page, text: str) -> Locator:
    return page.locator(".cm-wf li", has_text=text)


def test_the_way_from_a_workflow_to_a_step_fits_both_themes_and_every_width(
    shop: Site, recorded: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor")
    page.get_by_role("link", name="Workflows").click()
    page.get_by_role("link", name=NIGHTLY).wait_for()
    fits(page, "workflows")
    page.get_by_role("link", name=NIGHTLY).click()
    page.get_by_role("link", name="shop.render").wait_for()
    fits(page, "workflow")
    page.get_by_role("link", name=recorded["over"][:8]).click()
    page.wait_for_url(f"**/monitor/runs/{recorded['over']}")
    row(page, "shop.fetch").wait_for()
    fits(page, "run")
    row(page, "shop.fetch").get_by_role("button").first.click()
    page.get_by_role("complementary").get_by_text("peak memory").wait_for()
    fits(page, "step")
    page.get_by_role("link", name="Runs", exact=True).click()
    page.locator("tbody tr").first.wait_for()
    fits(page, "runs")


def test_a_run_says_what_set_its_duration_and_folds_many_of_one_task(
    shop: Site, recorded: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{recorded['over']}")
    row(page, "shop.fetch").wait_for()
    told = shop.get(f"/monitor/api/v1/runs/{recorded['over']}").json
    assert told["bottleneck"]["step"] in page.locator(".cm-runline").inner_text()
    assert "what the boss reads at 8" in page.locator(".cm-runline").inner_text()
    group = row(page, f"\u00d7{ROWS}")
    assert group.locator(".cm-wf-worst button").count() == 3
    assert group.locator(".cm-wf-share").inner_text().endswith("%")
    folded = page.locator(".cm-wf li").count()
    group.get_by_role("button").first.click()
    until(lambda: page.locator(".cm-wf li").count() == folded + ROWS, what="the members are rows")
    assert "↻1" in row(page, "shop.render").inner_text()
    assert row(page, "shop.fetch").locator(".cm-wf-span").count() == 1


def test_a_step_opens_beside_the_waterfall_and_its_address_can_be_sent(
    shop: Site, recorded: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{recorded['over']}", width=1600)
    row(page, "shop.render").get_by_role("button").click()
    panel = page.get_by_role("complementary")
    panel.get_by_text("ConnectionError", exact=True).wait_for()
    assert "?step=" in page.url
    page.reload()
    panel.get_by_text("ConnectionError", exact=True).wait_for()
    page.keyboard.press("Tab")
    row(page, "shop.collect").get_by_role("button").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    panel.get_by_role("link", name="shop.collect").wait_for(state="detached")
    panel.get_by_role("button", name="Close").click()
    panel.wait_for(state="detached")
    assert "step=" not in page.url


def test_the_graph_shows_the_same_run_and_the_same_step_and_is_used_without_a_mouse(
    shop: Site, recorded: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{recorded['over']}", width=1600)
    row(page, "shop.render").get_by_role("button").click()
    page.get_by_role("link", name="Graph", exact=True).click()
    graph = page.get_by_role("region", name="Graph")
    graph.locator(".cm-node").first.wait_for()
    assert "view=graph" in page.url
    assert "step=" in page.url

    def told() -> list[str]:
        return [text.split("\n")[1] for text in graph.locator(".cm-node").all_inner_texts() if "shop." in text]

    steps = ["shop.fetch", "shop.row", "shop.collect", "shop.render", "shop.charge"]
    until(lambda: told() == steps, what=f"the graph of {steps}")
    pressed = graph.locator("[aria-pressed=true]", has_text="shop.render, succeeded")
    pressed.wait_for()
    until(lambda: graph.locator("path.cm-lit").count() == graph.locator("path").count() == 4, what="four lit paths")
    pressed.focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    page.get_by_role("complementary", name="Step shop.collect").get_by_text("peak memory").wait_for()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("complementary", name="Step shop.row").get_by_text("peak memory").wait_for()
    page.get_by_role("link", name="Waterfall", exact=True).click()
    row(page, "shop.fetch").wait_for()
    assert "view=" not in page.url
    assert "step=" in page.url


def test_a_graph_is_moved_and_zoomed_by_keys_wheel_and_dragging_and_fits_again(
    shop: Site, recorded: dict[str, str], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{recorded['over']}?view=graph", width=1600)
    graph = page.get_by_role("region", name="Graph")
    graph.locator(".cm-node").first.wait_for()
    fits(page, "graph")
    page.set_viewport_size({"width": 1600, "height": 900})

    def shown() -> str:
        style: str = graph.locator(".cm-graph-layer").evaluate("layer => layer.style.transform")
        return style

    before = shown()
    box = graph.bounding_box()
    assert box
    page.mouse.move(box["x"] + 30, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + 130, box["y"] + 60, steps=4)
    page.mouse.up()
    until(lambda: shown() != before, what="the graph is dragged")
    graph.focus()
    for change in ("+", "-", "ArrowDown", "wheel"):
        last = shown()
        page.mouse.wheel(0, -200) if change == "wheel" else page.keyboard.press(change)
        until(lambda last=last: shown() != last, what=change)  # type: ignore[misc]
    page.get_by_role("button", name="Fit").click()
    until(lambda: shown() == before, what="all of it is shown again")


def test_a_run_is_followed_until_it_is_over(shop: Site, recorded: dict[str, str], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{recorded['lasting']}")
    page.locator("h1", has_text="running").wait_for()
    assert row(page, "shop.charge").locator(".cm-wf-planned").count() == 1
    assert "running" in (page.locator(".cm-wf-legend").text_content() or "")
    open_gate(shop, GATE)
    page.locator("h1", has_text="succeeded").wait_for(timeout=40_000)
    assert row(page, "shop.charge").locator(".cm-wf-planned").count() == 0


def test_markup_in_every_name_of_a_run_is_text(shop: Site, recorded: dict[str, str], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{recorded['hostile']}", width=1600)
    row(page, "shop.shout").get_by_role("button").click()
    page.get_by_role("complementary").get_by_text(f"logged {MARKUP}").wait_for()
    for place in (".cm-labels", ".cm-described", ".cm-spans", ".cm-fault", ".cm-runline", "h1"):
        assert MARKUP in page.locator(place).first.inner_text(), place
    row(page, HOSTILE).first.wait_for()
    page.get_by_role("link", name="Graph", exact=True).click()
    page.locator(".cm-node", has_text=HOSTILE).first.wait_for()
    page.goto(f"{shop.url}/monitor/workflows/{quote(MARKUP, safe='')}")
    page.get_by_role("link", name=HOSTILE).wait_for()
    page.goto(f"{shop.url}/monitor/runs?label={quote('note:' + MARKUP)}")
    page.get_by_role("link", name=recorded["hostile"][:8]).wait_for()
    assert page.locator("#celery-monitor img").count() == 0
    assert page.title() == "Runs · Monitor - Flower"


def test_figures_of_the_overview_are_doors(shop: Site, recorded: dict[str, str], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor?window=6h", width=1600)
    failed = page.locator("tbody tr", has_text="shop.shout").locator("a.cm-bad").first
    failed.click()
    page.wait_for_url("**/monitor/executions?task=shop.shout&state=FAILURE&window=6h")
    page.locator("tbody tr", has_text="shop.shout").first.wait_for()
    page.go_back()
    page.get_by_role("link", name=NIGHTLY).click()
    page.wait_for_url(f"**/monitor/workflows/{quote(NIGHTLY)}?window=6h")


def test_axe_finds_nothing_serious_on_any_page(shop: Site, recorded: dict[str, str], open_page: OpenPage) -> None:
    axe = parts.ROOT / "frontend/node_modules/axe-core/axe.min.js"
    if not axe.is_file():
        pytest.skip("axe-core is not installed (npm ci in frontend/)")
    found: list[str] = []
    # Each page in one theme and width: a look takes axe a second.
    looks = {
        ("light", 1600): ("", f"/workflows/{quote(NIGHTLY)}", f"/runs/{recorded['over']}"),
        ("dark", 390): ("/workflows", "/runs", "/executions", f"/runs/{recorded['over']}?view=graph"),
    }
    for (theme, width), paths in looks.items():
        page = open_page(f"{shop.url}/monitor", theme=theme, width=width, bypass_csp=True)
        for path in paths:
            page.goto(f"{shop.url}/monitor{path}")
            page.locator("tbody tr, .cm-wf li, .cm-node").first.wait_for()
            page.evaluate(axe.read_text())
            told = page.evaluate("axe.run('#celery-monitor', {resultTypes: ['violations']})")
            grave = [v for v in told["violations"] if v["impact"] in ("serious", "critical")]
            found += [f"{path} {v['id']}: {v['nodes'][0]['html'][:200]}" for v in grave]
    assert found == []
