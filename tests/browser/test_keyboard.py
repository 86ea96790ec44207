"""The tab by keyboard alone: every stop seen and in order, nothing a trap, the place kept, charts read and zoomed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.browser.conftest import OpenPage, publish
from tests.waiting import until
from tests.web.shop import NIGHTLY
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

STOP: Final = """
() => {
  const stop = document.activeElement;
  if (!stop || stop === document.body) return null;
  const style = getComputedStyle(stop);
  const reach = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth);
  const box = stop.getBoundingClientRect();
  const cut = [];
  let ground = "";
  for (let around = stop.parentElement; around; around = around.parentElement) {
    const its = getComputedStyle(around);
    if (!ground && its.backgroundColor !== "rgba(0, 0, 0, 0)") ground = its.backgroundColor;
    if (around === document.documentElement || around === document.body || its.overflow === "visible") continue;
    const edge = around.getBoundingClientRect();
    const over = [edge.left - box.left, edge.top - box.top, box.right - edge.right, box.bottom - edge.bottom];
    if (Math.max(...over) + reach > 1) cut.push(around.className);
  }
  const seen = document.elementFromPoint((box.left + box.right) / 2, (box.top + Math.min(box.bottom, innerHeight)) / 2);
  return {
    name: stop.getAttribute("aria-label") || stop.innerText.replace(/^\\W+/, "") || stop.name || "",
    html: stop.outerHTML.slice(0, 160),
    ours: stop.closest("#celery-monitor") !== null,
    line: style.outlineStyle === "none" ? 0 : parseFloat(style.outlineWidth),
    colours: [style.outlineColor, ground || "rgb(255, 255, 255)"],
    cut,
    covered: !seen || !(stop.contains(seen) || seen.contains(stop)),
  };
}
"""
LEAST_CONTRAST: Final = 3.0
"""Of what shows where the keyboard is, by WCAG 2.4.11 and 1.4.11."""
MOST_STOPS: Final = 400


@pytest.fixture(scope="module")
def run(shop: Site) -> str:
    """Something to go through: executions, a failure, logs and a run, whose id this is."""
    publish(shop, "shop.charge", 3, 7)
    publish(shop, "shop.deliver", 1)
    publish(shop, "shop.night", 1, 3)

    def over() -> str | None:
        runs = shop.get("/monitor/api/v1/runs?state=SUCCEEDED&limit=50").json["runs"]
        charged = shop.get("/monitor/api/v1/executions?task=shop.charge").json["executions"]
        return next((r["id"] for r in runs if r["workflow"] == NIGHTLY and len(charged) > 2), None)

    found = until(over, seconds=60, step=0.2, what="a run that is over")
    assert found
    return found


def stop(page: Page) -> dict[str, Any] | None:
    """Return what has the keyboard, None when nothing has."""
    found: dict[str, Any] | None = page.evaluate(STOP)
    return found


def tab_to(page: Page, name: str, key: str = "Tab") -> dict[str, Any]:
    """Press Tab until something of ours by a name has the keyboard."""
    for _ in range(MOST_STOPS):
        page.keyboard.press(key)
        at = stop(page)
        if at and at["ours"] and at["name"].startswith(name):
            return at
    raise AssertionError(f"no stop {name!r}")


def name_of(page: Page) -> str:
    at = stop(page)
    return at["name"] if at else ""


def wait_at(page: Page, name: str) -> None:
    """Wait until something by a name has the keyboard."""
    until(lambda: name_of(page) == name, what=f"the keyboard at {name}")


def contrast(one: str, other: str) -> float:
    """Return the ratio of two colours' luminance, as WCAG has it."""

    def luminance(colour: str) -> float:
        parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def faults(at: dict[str, Any]) -> list[str]:
    """Return why somebody does not see that the keyboard is here."""
    found = []
    if at["line"] < 2:
        found.append("no outline")
    elif contrast(*at["colours"]) < LEAST_CONTRAST:
        found.append(f"outline {at['colours']}")
    if at["cut"]:
        found.append(f"cut by {at['cut']}")
    if at["covered"]:
        found.append("covered")
    return [f"{fault}: {at['html']}" for fault in found]


@pytest.mark.parametrize(
    ("theme", "width", "paths"),
    [
        ("light", 1280, ("", "/runs/{run}", "/executions?task=shop.deliver", "/tasks/shop.charge", "/resources")),
        ("dark", 390, ("/workers", "/runs/{run}?view=graph", "/failures", "/logs", "/queues/orders")),
    ],
    ids=["light", "dark"],
)
def test_every_stop_of_a_page_is_seen_and_none_is_a_trap(
    shop: Site, run: str, open_page: OpenPage, theme: str, width: int, paths: tuple[str, ...]
) -> None:
    page = open_page("about:blank", theme=theme, width=width)
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type] # scrolling takes no time
    for path in paths:
        page.goto(f"{shop.url}/monitor{path.format(run=run)}")
        page.locator("tbody tr, .cm-wf li, .cm-node, .cm-tail li, .cm-lane-row").first.wait_for()
        page.get_by_role("group", name="Refresh").get_by_role("button", name="Off").press("Space")
        page.locator(".cm-skip").focus()
        found: list[str] = []
        for _ in range(MOST_STOPS):
            at = stop(page)
            if at is None or not at["ours"]:
                break
            found += faults(at)
            page.keyboard.press("Tab")
        else:
            found.append("no end of stops")
        assert found == [], path


def test_the_way_from_the_navigation_to_a_task_and_back_by_keyboard(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor?window=6h")
    page.locator(".cm-verdict").wait_for()
    tab_to(page, "Skip the navigation")
    page.keyboard.press("Enter")
    wait_at(page, "Overview")
    assert tab_to(page, "15m")  # the content follows, not the navigation
    tab_to(page, "Another range")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    wait_at(page, "Another range")
    assert page.locator(".cm-custom[open]").count() == 0
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("3h")
    page.keyboard.press("Enter")
    page.wait_for_url("**/monitor?window=3h")
    wait_at(page, "Another range")
    tab_to(page, "Off")
    page.keyboard.press("Space")
    page.get_by_role("button", name="Off", pressed=True).wait_for()
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    wait_at(page, "Off")
    tab_to(page, "Workflows", "Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_role("link", name=NIGHTLY).first.wait_for()
    page.locator('[role="group"][aria-label="Workflows"]:focus').wait_for()  # the page, not the link to it
    page.keyboard.press("/")
    page.keyboard.type("shop.charge")
    page.keyboard.press("Enter")
    page.wait_for_url("**/monitor/tasks/shop.charge")
    wait_at(page, "shop.charge")


def test_a_popover_that_is_left_closes(shop: Site, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/executions")
    page.get_by_label("Another range").press("Enter")
    page.locator(".cm-custom[open]").wait_for()
    tab_to(page, "30 s")
    assert page.locator(".cm-custom[open]").count() == 0


def test_rows_are_gone_through_by_arrows_and_the_place_is_found_again(
    shop: Site, run: str, open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/executions?task=shop.charge")
    rows = page.locator("tbody tr")
    rows.nth(2).wait_for()
    tab_to(page, "When")
    page.keyboard.press("Enter")
    page.wait_for_url("**&sort=ended")
    page.keyboard.press("ArrowDown")
    links = rows.locator("a.cm-name")
    first, last = links.first.get_attribute("title"), links.last.get_attribute("title")

    def title() -> str | None:
        found: str | None = page.evaluate("document.activeElement.title")
        return found

    assert title() == first
    page.keyboard.press("End")
    assert title() == last
    page.keyboard.press("ArrowUp")
    assert title() == links.nth(links.count() - 2).get_attribute("title")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    assert name_of(page).startswith("Task")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = title()
    page.keyboard.press("Enter")
    page.wait_for_url("**/monitor/executions/*-*")
    wait_at(page, urlsplit(page.url).path.rpartition("/")[2])
    page.go_back()
    until(lambda: title() == second, what="the link that was followed")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.closest('table')") is None


def test_a_row_keeps_the_keyboard_while_newer_ones_come(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/executions?task=shop.charge")
    page.locator("tbody tr").nth(2).wait_for()
    tab_to(page, "shop.charge")
    top = page.locator("tbody tr a.cm-name").first.get_attribute("title")
    assert page.evaluate("document.activeElement.title") == top
    n = page.locator("tbody tr").count()
    publish(shop, "shop.charge", 2, 7)
    until(lambda: page.locator("tbody tr").count() >= n + 2, seconds=40, what="two more rows")
    assert page.evaluate("document.activeElement.title") == top
    assert page.locator("tbody tr a.cm-name").first.get_attribute("title") == top, "rows stand still meanwhile"


def test_a_field_keeps_the_keyboard_when_its_filter_is_set(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/executions")
    page.locator("tbody tr").first.wait_for()
    tab_to(page, "task")
    page.keyboard.type("shop.deliver")
    page.keyboard.press("Enter")
    page.wait_for_url("**/executions?task=shop.deliver")
    wait_at(page, "task")
    tab_to(page, "Clear")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"executions\??$"))
    wait_at(page, "Filters")  # the link is gone


CHARTS: Final = {
    "outcomes": ("?window=15m", ".cm-plot", ".cm-outcomes .cm-when"),
    "lines": ("/queues/orders?window=15m", ".cm-line-plot", ".cm-over-time .cm-when"),
    "heatmap": ("/tasks/shop.charge?window=15m", ".cm-chart canvas", ".cm-chart .cm-when"),
}


@pytest.mark.parametrize("kind", CHARTS)
def test_a_chart_is_read_and_zoomed_by_keys_and_back(shop: Site, run: str, open_page: OpenPage, kind: str) -> None:
    path, selector, when = CHARTS[kind]
    page = open_page(f"{shop.url}/monitor{path}", width=1600)
    chart = page.locator(selector).first
    chart.wait_for()
    page.locator(f"{selector} canvas, canvas{selector.partition(' canvas')[0]}, {selector}").first.wait_for()
    chart.focus()
    assert "no point chosen" in (chart.get_attribute("aria-valuetext") or "")
    page.keyboard.press("ArrowLeft")
    page.locator(when).first.wait_for()
    newest = chart.get_attribute("aria-valuetext") or ""
    assert re.search(r"\d\d:\d\d:\d\d \u2013 .*: \S+", newest), newest
    page.keyboard.press("ArrowLeft")
    until(lambda: chart.get_attribute("aria-valuetext") != newest, what="another point")
    for _ in range(3):
        page.keyboard.press("Shift+ArrowLeft")
    until(lambda: "Enter zooms" in (chart.get_attribute("aria-valuetext") or ""), what="a stretch")
    chosen = page.locator(".cm-chart-chosen, .u-select").first
    assert (chosen.bounding_box() or {"width": 0})["width"] > 2
    before = page.url
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("since=.*until="))
    assert set(parse_qs(urlsplit(page.url).query)) == {"since", "until"}
    page.keyboard.press("Escape")
    page.wait_for_url(before)
    chart = page.locator(selector).first
    chart.focus()
    page.keyboard.press("ArrowLeft")
    page.locator(when).first.wait_for()
    page.keyboard.press("Escape")
    page.locator(when).first.wait_for(state="detached")
    assert page.url == before


def test_a_cell_of_a_heatmap_is_told_by_keys(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/tasks/shop.charge?window=15m")
    chart = page.locator(".cm-chart canvas")
    chart.focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.locator(".cm-chart-mark").wait_for()
    assert re.search(r" took .* \u2013 ", chart.get_attribute("aria-valuetext") or "")
    page.locator(".cm-legend li", has_text=" took ").wait_for()
    page.keyboard.press("ArrowDown")
    page.locator(".cm-chart-mark").wait_for(state="detached")


def test_the_help_opens_by_its_key_and_gives_the_keyboard_back(shop: Site, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/executions")
    tab_to(page, "15m")
    page.keyboard.press("?")
    help_ = page.get_by_role("dialog", name="Keyboard")
    help_.wait_for()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement === document.body || !!document.activeElement.closest('dialog')")
    page.keyboard.press("Escape")
    help_.wait_for(state="hidden")
    wait_at(page, "15m")
    page.keyboard.press("/")
    page.keyboard.type("?")
    assert help_.count() == 0, "a question mark in a field is text"


def test_a_step_is_chosen_and_the_graph_gone_through_by_keys(shop: Site, run: str, open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/runs/{run}", width=1600)
    page.locator(".cm-wf li").first.wait_for()
    tab_to(page, "shop.fetch")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.get_by_role("complementary", name="Step shop.fetch").wait_for()
    assert name_of(page).startswith("shop.fetch")
    tab_to(page, "Close the step")
    page.keyboard.press("Escape")
    page.get_by_role("complementary").wait_for(state="detached")
    assert name_of(page).startswith("shop.fetch")
    tab_to(page, "Graph", "Shift+Tab")
    page.keyboard.press("Enter")
    page.locator(".cm-node").first.wait_for()
    tab_to(page, "Graph: arrow keys")
    page.keyboard.press("Tab")
    before = name_of(page)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert name_of(page) != before


def test_what_is_told_by_colour_is_still_there_where_colours_are_forced(
    shop: Site, run: str, open_page: OpenPage
) -> None:
    page = open_page("about:blank")
    page.emulate_media(forced_colors="active", color_scheme="dark")
    ground = "e => getComputedStyle(e).backgroundColor"
    page.goto(f"{shop.url}/monitor/runs/{run}")
    bar = page.locator(".cm-wf-bar-run").first
    bar.wait_for()
    canvas = page.locator("body").evaluate(ground)
    assert contrast(bar.evaluate(ground), canvas) >= LEAST_CONTRAST
    chosen = page.get_by_role("link", name="Waterfall")
    assert contrast(chosen.evaluate(ground), canvas) >= LEAST_CONTRAST
    assert page.locator(".cm-card").first.evaluate("e => getComputedStyle(e).outlineStyle") == "solid"
    tab_to(page, "shop.fetch")
    assert faults(stop(page) or {}) == []
    page.goto(f"{shop.url}/monitor?window=15m")
    page.locator(".cm-plot canvas").wait_for()
    assert contrast(page.locator(".cm-swatch.cm-fill-succeeded").evaluate(ground), canvas) >= LEAST_CONTRAST
    drawn = "c => new Set(new Uint32Array(c.getContext('2d').getImageData(0, 0, c.width, c.height).data.buffer)).size"
    assert page.locator(".cm-plot canvas").evaluate(drawn) > 4
