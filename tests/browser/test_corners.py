"""Every page on every Flower, below a url prefix or not, with basic auth or without: pairs of these, or all of them.

The environment's Flower is what is tried: the newest in the usual one, older ones in those that `.ci/matrix.py` makes.
Each page is loaded once on the newest and once on an older one, 38 loads in all; pictures are kept of each.
"""

from __future__ import annotations

import csv
import importlib.metadata
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from tests.browser.conftest import OpenPage, fits, publish
from tests.waiting import until
from tests.web.shop import NIGHTLY
from tests.web.site import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

USER: Final = "ops:let me in"
PREFIX: Final = "ops/flower-1.a"
FLOWER: Final = ".".join(importlib.metadata.version("flower").split(".")[:2])
OLD: Final = ("2.0", "2.1")
ROOMS: Final = (
    "Overview", "Workflows", "Runs", "Executions", "Tasks", "Failures", "Logs", "Queues", "Workers", "Resources",
    "Schedule",
)  # fmt: skip
PAGES: Final = {
    "overview": ("", ".cm-tile"),
    "workflows": ("/workflows", "tbody tr"),
    "workflow": ("/workflows/{workflow}", "tbody tr"),
    "runs": ("/runs", "tbody tr"),
    "run": ("/runs/{run}", ".cm-wf li"),
    "executions": ("/executions", "tbody tr"),
    "execution": ("/executions/{execution}", ".cm-facts"),
    "tasks": ("/tasks", "tbody tr"),
    "task": ("/tasks/shop.deliver", ".cm-chart canvas"),
    "failures": ("/failures", "tbody tr"),
    "failure": ("/failures/{failure}", ".cm-chart canvas"),
    "logs": ("/logs", ".cm-tail li"),
    "queues": ("/queues", "tbody tr"),
    "queue": ("/queues/orders", ".cm-over-time canvas"),
    "workers": ("/workers", "tbody tr"),
    "worker": ("/workers/{worker}", ".cm-over-time canvas"),
    "host": ("/hosts/{host}", ".cm-over-time canvas"),
    "resources": ("/resources", "tbody tr"),
    "schedule": ("/schedule", ".cm-controls"),
}
"""Name to path, and what is there when the page has its figures."""


class Corner(NamedTuple):
    """How Flower is started."""

    prefix: bool
    auth: bool

    @property
    def options(self) -> list[str]:
        return [f"--url-prefix={PREFIX}"] * self.prefix + [f"--basic-auth={USER}"] * self.auth

    @property
    def user(self) -> str | None:
        return USER if self.auth else None

    def __str__(self) -> str:
        return "-".join(["prefix"] * self.prefix + ["auth"] * self.auth) or "plain"


def pairs() -> Iterator[tuple[Corner, list[str]]]:
    """Yield the corners that this Flower has in the pairwise plan, with the pages that are loaded there."""
    names = list(PAGES)
    if FLOWER in OLD:
        names = names[OLD.index(FLOWER) :: len(OLD)]
    both = (True, False) if FLOWER in OLD else (True, True)
    corners = [Corner(*both), Corner(*(not each for each in both))]
    for at, corner in enumerate(corners):
        yield corner, names[at::2]


@pytest.fixture(scope="module")
def known(shop: Site) -> dict[str, str]:
    """Names of one of each kind, encoded: a workflow has run, something failed, something was logged."""
    publish(shop, "shop.night", 1, 3)
    publish(shop, "shop.deliver", 2)
    publish(shop, "shop.fetch", 1, "the depot")

    def first(path: str, key: str, name: str) -> str:
        rows = until(lambda: shop.get(f"/monitor/api/v1{path}").json[key], seconds=60, step=0.2, what=path)
        return quote(str(rows[0][name]), safe="")

    return {
        "workflow": quote(NIGHTLY),
        "run": first(f"/runs?state=SUCCEEDED&workflow={quote(NIGHTLY)}", "runs", "id"),
        "execution": first("/executions?task=shop.deliver&state=FAILURE", "executions", "id"),
        "failure": first("/failures?task=shop.deliver", "failures", "fingerprint"),
        "worker": first("/workers", "workers", "worker"),
        "host": first("/hosts", "hosts", "host"),
        "log": first("/logs", "logs", "at"),
    }


Start = Callable[[Corner], str]


@pytest.fixture
def start(shop: Site, tmp_path: Path) -> Iterator[Start]:
    """Start a Flower of the shop in a corner; return the address of its first page."""
    started: list[Site] = []

    def one(corner: Corner) -> str:
        env = shop.process.env
        started.append(Site(env["CELERY_BROKER_URL"], tmp_path / f"{corner}.log", *corner.options, env=env))
        return f"{started[-1].url}{f'/{PREFIX}' if corner.prefix else ''}/monitor"

    yield one
    for site in started:
        site.stop()


@pytest.mark.parametrize(("corner", "names"), list(pairs()), ids=[str(corner) for corner, _ in pairs()])
def test_pages_of_a_corner_are_whole_and_lead_nowhere_else(
    shop: Site, known: dict[str, str], start: Start, open_page: OpenPage, corner: Corner, names: list[str]
) -> None:
    home = start(corner)
    walk(home, corner, names, known, open_page)


@pytest.mark.cross
@pytest.mark.timeout(600)
@pytest.mark.parametrize("corner", list(itertools.starmap(Corner, itertools.product((True, False), repeat=2))), ids=str)
def test_every_page_in_every_corner_is_whole_and_leads_nowhere_else(
    shop: Site, known: dict[str, str], start: Start, open_page: OpenPage, corner: Corner
) -> None:
    walk(start(corner), corner, list(PAGES), known, open_page)


def walk(home: str, corner: Corner, names: list[str], known: dict[str, str], open_page: OpenPage) -> None:
    """Load pages, then go to every room by its link, and save a file."""
    page = open_page("about:blank", user=corner.user)
    astray = wanderings(page, home)
    for name in names:
        path, shown = PAGES[name]
        page.goto(home + path.format(**known))
        page.locator(f"#celery-monitor {shown}").first.wait_for()
        fits(page, f"{FLOWER}-{corner}-{name}")
        assert led_astray(page, home) == [], name
    page.set_viewport_size({"width": 1280, "height": 900})
    for room in ROOMS:
        page.get_by_label("Pages of the monitor").get_by_role("link", name=room, exact=True).click()
        page.locator("#celery-monitor .cm-controls").wait_for()
        assert led_astray(page, home) == [], room
    page.get_by_label("Pages of the monitor").get_by_role("link", name="Overview", exact=True).click()
    page.get_by_role("button", name="Live").wait_for()  # the socket has spoken
    page.get_by_role("link", name="shop.deliver", exact=True).first.click()
    page.wait_for_url(f"{home}/tasks/shop.deliver*")
    page.get_by_label("Pages of the monitor").get_by_role("link", name="Executions", exact=True).click()
    with page.expect_download() as saved:
        page.get_by_role("button", name="CSV").click()
    assert len(list(csv.DictReader(saved.value.path().read_text().splitlines()))) > 3
    assert astray == []


def wanderings(page: Page, home: str) -> list[str]:
    """Return a list that is told of every request that leaves Flower's prefix or is refused."""
    prefix = urlsplit(home).path.removesuffix("/monitor")
    found: list[str] = []

    def answered(reply: Any) -> None:
        path = urlsplit(reply.url).path
        if reply.url.startswith("http") and (reply.status >= 400 or not path.startswith(f"{prefix}/")):
            found.append(f"{reply.status} {path}")

    page.on("response", answered)
    return found


def led_astray(page: Page, home: str) -> list[str]:
    """Return the links of the page that lead out of the tab."""
    path = urlsplit(home).path
    links: list[str] = page.locator("#celery-monitor a").evaluate_all("(all) => all.map((a) => a.pathname)")
    return [link for link in links if link != path and not link.startswith(f"{path}/")]
