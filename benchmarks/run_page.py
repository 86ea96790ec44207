"""What the page of a run of 10,000 steps keeps a browser's main thread busy with; `pages.py` prints it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from benchmarks.fleet import SECOND
from celery_monitor.store import lease
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold
from tests.browser import large_run

CHROMIUM: Final = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
TRACED: Final = ["toplevel", "disabled-by-default-devtools.timeline"]
LONG_MS: Final = 50
QUIET_MS: Final = 1_500  # after the last thing that was done: a task is told when it is over
LIVE_MS: Final = 10_000  # of refreshes
TO_ITS_END: Final = """
    async (list) => {
        while (list.scrollTop + list.clientHeight < list.scrollHeight - 1) {
            list.scrollTop += 5_000;
            await new Promise(requestAnimationFrame);
        }
    }
"""


class Task(NamedTuple):
    """What kept the main thread of a page: its CPU time, and how long it lasted (ms)."""

    cpu: float
    lasted: float


def tasks_of(trace: bytes) -> list[Task]:
    """Return the tasks of pages' main threads in a trace of Chromium."""
    events = json.loads(trace)["traceEvents"]
    mains = {(e["pid"], e["tid"]) for e in events if e.get("args", {}).get("name") == "CrRendererMain"}
    return [
        Task(e.get("tdur", 0) / 1000, e.get("dur", 0) / 1000)
        for e in events
        if e["name"].endswith("RunTask") and (e["pid"], e["tid"]) in mains
    ]


def walk(page: Any, url: str, told: Callable[[str], None], live_ms: int = 0) -> None:
    """Do on the page of a run what people do, and tell each thing that was done."""
    rows = page.locator(".cm-wf li")
    page.goto(url)
    rows.filter(has_text="big.row").first.wait_for()
    told("loaded")
    page.get_by_role("link", name="Show all").click()
    page.get_by_role("link", name="Show all").wait_for(state="detached")
    told("all steps asked for")
    for task in ("big.row", "big.load"):  # the upper one last: what it unfolds to is in the way
        rows.filter(has_text=task).first.get_by_role("button").first.click()
        told(f"{task} unfolded")
    page.locator(".cm-wf").evaluate(TO_ITS_END)
    told("scrolled to the end")
    if live_ms:
        page.wait_for_timeout(live_ms)
        told(f"{live_ms / 1000:g} s of refreshes")
    page.get_by_role("link", name="Graph", exact=True).click()
    page.locator(".cm-node").first.wait_for()
    told("graph")
    page.get_by_role("link", name="Waterfall", exact=True).click()
    rows.first.wait_for()
    told("back to the waterfall")


def table_of_runs(port: int, store: Store, throttle: float) -> None:
    """Print how long the page of a run of 10,000 steps keeps the browser's main thread, by what is done on it."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the test extra

    now_us = lease.now_us(store)
    over = large_run.hand_in(store, now_us - 3600 * SECOND)
    lasting = large_run.hand_in(store, now_us, lasting=True)
    fold(store, now_us)
    head = f"10,000 steps, main thread (CPU / {throttle:g})"
    print(f"{head:<44}{'longest':>10}{'most CPU':>10}{'long ones':>11}{'elements':>10}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        page = browser.new_context(viewport={"width": 1600, "height": 900}).new_page()
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": throttle})
        page.set_default_timeout(120_000)

        def told(what: str) -> None:
            page.wait_for_timeout(QUIET_MS)
            found = tasks_of(browser.stop_tracing())
            lasted, cpu = max(t.lasted for t in found), max(t.cpu for t in found)
            long_ = sum(t.lasted > LONG_MS for t in found)
            elements = page.evaluate("document.querySelectorAll('#celery-monitor *').length")
            print(f"{what:<44}{lasted:>10.0f}{cpu:>10.0f}{long_:>11}{elements:>10}", flush=True)
            browser.start_tracing(page=page, categories=TRACED)

        browser.start_tracing(page=page, categories=TRACED)

        address = f"http://127.0.0.1:{port}/monitor/runs"
        walk(page, f"{address}/{over}", lambda what: told(f"over: {what}"))
        walk(page, f"{address}/{lasting}", lambda what: told(f"live: {what}"), LIVE_MS)
        browser.stop_tracing()
        browser.close()
    print("\nAim: no task over 200 ms on a quiet machine.")
