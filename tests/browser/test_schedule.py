"""The schedule in a real browser: what was due, what was sent twice, and by which beat."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.conftest import OpenPage, fits
from tests.processes import CeleryProcess
from tests.waiting import until
from tests.web.shop import MARKUP
from tests.web.site import APP, Site

pytestmark = pytest.mark.browser
ENTRY = "each second"


def ledger(shop: Site) -> dict[str, Any]:
    """Return the entry's row, with counts of nothing while it is not known."""
    rows = shop.get("/monitor/api/v1/schedule?window=15m").json["entries"]
    return next((row for row in rows if row["entry"] == ENTRY), {"duplicate": 0})


@pytest.fixture(scope="module")
def beats(shop: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The ledger of two beats that have the same entries."""
    folder: Path = tmp_path_factory.mktemp("beats")
    started: list[CeleryProcess] = []

    def start(name: str) -> None:
        command = ["beat", "--schedule", str(folder / name), "--loglevel", "INFO", "--pidfile", ""]
        log = folder / f"{name}.log"
        started.append(CeleryProcess(APP, command, log, ready="beat: Starting", env=shop.process.env).start())

    start("first")
    start("second")
    until(lambda: ledger(shop)["duplicate"] >= 2, seconds=60, what="two were sent twice")
    yield ledger(shop)
    for process in started:
        process.ask_to_stop()
    for process in started:
        process.stop()


def test_the_schedule_fits_every_theme_and_width(shop: Site, beats: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/schedule?window=15m")
    page.locator("svg.cm-lane").first.wait_for()
    fits(page, "schedule")


def test_double_sendings_are_told_and_drawn(shop: Site, beats: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/schedule?window=15m")
    finding = page.locator(".cm-finding")
    finding.get_by_text("1 of 2 entries did not go as planned").wait_for()
    finding.locator("li", has_text="2 beats run and have entries in common").wait_for()
    lane = page.locator("svg.cm-lane").first
    assert "double" in (lane.get_attribute("aria-label") or "")
    assert lane.locator(".cm-lane-due").count() > 0
    assert lane.locator("title", has_text="double").count() > 0


def test_an_entry_opens_its_ledger_and_leads_to_its_runs(
    shop: Site, beats: dict[str, Any], open_page: OpenPage
) -> None:
    page = open_page(f"{shop.url}/monitor/schedule?window=15m")
    page.locator(".cm-lanes").get_by_role("link", name=ENTRY).click()
    page.wait_for_url("**/schedule?window=15m&entry=each+second")
    lines = page.get_by_role("region", name="Not as it should be")
    lines.locator("tr", has_text="double").first.wait_for()
    page.get_by_role("region", name="Newest runs").get_by_role("link", name="succeeded").first.click()
    page.wait_for_url("**/monitor/executions/*")


def test_markup_in_the_name_of_an_entry_is_text(shop: Site, beats: dict[str, Any], open_page: OpenPage) -> None:
    page = open_page(f"{shop.url}/monitor/schedule?window=15m")
    page.locator(".cm-lanes").get_by_text(MARKUP).first.wait_for()
    assert page.locator("#celery-monitor img").count() == 0
    assert page.title() == "Schedule · Monitor - Flower"
