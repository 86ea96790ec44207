"""What tasks cost in a real browser: who takes most of what, and the way to the task."""

from __future__ import annotations

import pytest

from tests.browser.conftest import OpenPage, publish
from tests.waiting import until
from tests.web.shop import HOSTILE, MARKUP
from tests.web.site import Site

pytestmark = pytest.mark.browser


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


@pytest.mark.parametrize("width", [390, 1600])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_ranking_fits_every_theme_and_width(spent: Site, open_page: OpenPage, theme: str, width: int) -> None:
    page = open_page(f"{spent.url}/monitor/resources", theme=theme, width=width)
    page.locator(".cm-finding", has_text="of all CPU time").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_another_ranking_stands_in_the_address_and_in_the_sentence(spent: Site, open_page: OpenPage) -> None:
    page = open_page(f"{spent.url}/monitor/resources?window=1h")
    page.get_by_label("What tasks are ranked by").get_by_role("link", name="memory").click()
    page.wait_for_url("**/resources?window=1h&by=memory")
    page.locator(".cm-finding", has_text="reaches the highest memory").wait_for()
    page.get_by_role("link", name="network").click()
    page.locator(".cm-finding", has_text="Connections are not counted").wait_for()
    page.locator("tbody tr", has_text=MARKUP).wait_for()
    assert page.locator("#celery-monitor img").count() == 0
    page.locator("tbody").get_by_role("link", name="shop.charge", exact=True).click()
    page.wait_for_url("**/monitor/tasks/shop.charge?window=1h")
