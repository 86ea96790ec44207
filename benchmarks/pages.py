"""What open pages cost Flower: its answers to others while ten pages are live, and the first paint of each page.

Synthetic agents (`fleet.py`) hand in tasks at a real pace, a process folds them, and pages ask as browsers do. A second
Flower of the same broker has no tab: both answer `/healthcheck` in turns, so that whatever else the machine does hits
both. Run from the checkout: ``python benchmarks/pages.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fleet import NAMES, QUEUES, SECOND, Fleet
from benchmarks.rig import ROOT, wait_for
from benchmarks.run_page import CHROMIUM, table_of_runs
from celery_monitor.cli.child import die_with_parent
from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.live_state import AgentState
from celery_monitor.store import inbox, lease
from celery_monitor.store.connection import Store
from celery_monitor.store.fold import fold

NAMESPACE: Final = "bench"  # of workload.py's app
WORKERS: Final = 50
PROBE_S: Final = 0.02
TICK_S: Final = 5.0

SOCKETS: Final = ("15m", "1h", "6h", "24h", "7d", "30d", "15m", "1h", "6h", "24h")
"""Windows of ten overviews: each window is a feed of its own."""
POLLS: Final = {
    "/tasks?window=24h": 5.0,
    f"/tasks/{NAMES[0]}?window=24h": 10.0,
    "/queues?window=1h": 5.0,
    f"/queues/{QUEUES[0]}?window=1h": 5.0,
    "/workers?window=1h": 5.0,
    "/executions": 5.0,
    "/failures?window=24h": 5.0,
    "/resources?window=24h": 15.0,
}
"""What eight other pages ask, and how often; two overviews are beside them."""
PAGES: Final = (
    "", "/workflows", "/runs", "/executions", "/tasks", f"/tasks/{NAMES[0]}", "/failures", "/logs", "/queues",
    f"/queues/{QUEUES[0]}", "/workers", "/workers/celery@w0", "/hosts/host-0", "/resources", "/schedule",
)  # fmt: skip
ANSWERED: Final = ".cm-verdict, .cm-card, .cm-notice:not(:has-text('Loading'))"
"""What a page shows when it has its figures, or knows that there are none."""


# --- the stream ---


def stream(url: str, rate: float) -> None:
    """Hand in and fold until the end of the process, at a real pace."""
    store, fleet, folded_s = Store.open(url, NAMESPACE, timeout_s=30.0), Fleet(WORKERS, rate, 2.0), 0.0
    start_us = lease.now_us(store)
    begun_s = time.monotonic()
    for batch in fleet.batches(start_us, 1e6):
        time.sleep(max(0.0, begun_s + (batch.at_us - start_us) / 1e6 - time.monotonic()))
        inbox.send(store, batch, state(batch.boot.hex(), batch.host, batch.at_us))
        if time.monotonic() - folded_s > TICK_S:
            folded_s = time.monotonic()
            fold(store, lease.now_us(store))


def state(boot: str, worker: str, at_us: int) -> AgentState:
    """Return what an agent says of itself with each flush: eight slots, six of them busy."""
    running: Any = [
        {"uid": f"{n:024x}", "id": f"{worker}-{n}", "run": "", "task": NAMES[n], "queue": QUEUES[0], "pid": 4000 + n,
         "started_us": at_us - n * SECOND} for n in range(6)
    ]  # fmt: skip
    return {
        "v": 1, "boot": boot, "role": "worker", "hostname": worker, "host": f"host-{worker.removeprefix('celery@w')}",
        "pid": 3999, "app": NAMESPACE, "at_us": at_us, "started_us": at_us - 3600 * SECOND, "interval_s": 2.0,
        "pool": "prefork", "slots": 8, "queues": list(QUEUES), "running": running, "prefetched": {QUEUES[0]: 4},
        "cpu_percent": 61.0, "rss_bytes": 1 << 29, "dropped": {}, "notes": [],
    }  # fmt: skip


def fill(store: Store, tasks: int) -> None:
    """Put a day of 1M tasks into the rollups, and so many single tasks of its last hour."""
    now_us = lease.now_us(store)
    fleet, start = Fleet(WORKERS, 11.6, 600.0), now_us - 86_400 * SECOND
    fold(store, start)
    for ten in range(144):
        inbox.send(store, fleet.counters(start + ten * 600 * SECOND, 600.0), None)
        fold(store, start + (ten * 600 + 640) * SECOND)
    single = Fleet(WORKERS, 100_000, 1.0, seed=2)
    for number, batch in enumerate(single.batches(now_us - 3600 * SECOND, tasks / 100_000)):
        batch.metrics.cells.clear()
        inbox.send(store, batch, None)
        if number % 20 == 19:
            fold(store, lease.now_us(store))
    fold(store, lease.now_us(store))


# --- the pages ---


async def look(port: int, sockets: Sequence[str], polls: dict[str, float]) -> None:
    """Be the browsers of open pages until the end of the process."""
    from tornado.httpclient import AsyncHTTPClient  # noqa: PLC0415 - only this process needs it
    from tornado.websocket import websocket_connect  # noqa: PLC0415

    async def follow(window: str) -> None:
        client = await websocket_connect(f"ws://127.0.0.1:{port}/monitor/ws?window={window}")
        while await client.read_message() is not None:
            pass

    async def poll(path: str, every_s: float) -> None:
        await asyncio.sleep(random.random() * every_s)
        client = AsyncHTTPClient()
        while True:
            await client.fetch(f"http://127.0.0.1:{port}/monitor/api/v1{path}", request_timeout=60)
            await asyncio.sleep(every_s)

    await asyncio.gather(*(follow(w) for w in sockets), *(poll(*of) for of in polls.items()))


# --- the measurement ---


class Flower:
    """A Flower of `workload.py`'s app, with the tab or without."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.pid, self.port = process.pid, port
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def probe_ms(self) -> float:
        """Return how long `/healthcheck` took, over a connection that stays."""
        began = time.perf_counter()
        self._connection.request("GET", "/healthcheck")
        self._connection.getresponse().read()
        return 1000 * (time.perf_counter() - began)

    def cpu_s(self) -> tuple[float, float]:
        """Return the CPU seconds of the loop's thread, and of all others."""
        tick = os.sysconf("SC_CLK_TCK")
        used = {}
        for thread in Path(f"/proc/{self.pid}/task").iterdir():
            fields = (thread / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            used[thread.name] = (int(fields[11]) + int(fields[12])) / tick
        loop = used.pop(str(self.pid))
        return loop, sum(used.values())


class Row(NamedTuple):
    """What was measured of one Flower in one phase: ms of answers, and per cent of a core."""

    name: str
    answers: list[float]
    loop: float
    threads: float

    def __str__(self) -> str:
        ordered = sorted(self.answers)
        p50, p95, p99 = (ordered[min(int(len(ordered) * q), len(ordered) - 1)] for q in (0.5, 0.95, 0.99))
        figures = f"{p50:>8.1f}{p95:>8.1f}{p99:>8.1f}{ordered[-1]:>8.1f}"
        return f"{self.name:<44}{figures}{self.loop:>10.1f}{self.threads:>10.1f}"


def measure(flowers: dict[str, Flower], seconds: float) -> list[Row]:
    """Ask all in turns for so long."""
    answers: dict[str, list[float]] = {name: [] for name in flowers}
    before, began = {name: flower.cpu_s() for name, flower in flowers.items()}, time.monotonic()
    while time.monotonic() < began + seconds:
        for name, flower in random.sample(list(flowers.items()), len(flowers)):
            answers[name].append(flower.probe_ms())
        time.sleep(PROBE_S)
    lasted = time.monotonic() - began
    rows = []
    for name, flower in flowers.items():
        loop, threads = (100 * (now - was) / lasted for now, was in zip(flower.cpu_s(), before[name], strict=True))
        rows.append(Row(name, answers[name], loop, threads))
    return rows


@contextmanager
def started(*command: str, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process that ends with the block."""
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        stdin=subprocess.DEVNULL,
        stderr=None if command[0] == __file__ else subprocess.DEVNULL,  # Flower's banner
        preexec_fn=die_with_parent(),  # noqa: PLW1509 - one C call, bound before the fork
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def flower(stack: ExitStack, url: str, *, tab: bool) -> Flower:
    """Start one and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["-m", "celery", "-A", "benchmarks.workload:app", "flower", f"--port={port}", "--address=127.0.0.1"]
    process = stack.enter_context(started(*words, CELERY_BROKER_URL=url, BENCH_MONITOR="1" if tab else ""))

    def up() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for("Flower", up)
    return Flower(process, port)


def table_of_answers(flowers: dict[str, Flower], seconds: float) -> None:
    """Print how fast `/healthcheck` is answered with no page open, with ten overviews, with ten pages of all kinds."""
    with_tab = flowers["with the tab"]
    print(f"{'/healthcheck, ms':<44}{'p50':>8}{'p95':>8}{'p99':>8}{'most':>8}{'loop':>10}{'threads':>10}")
    print(f"{'':<76}{'% core':>10}{'% core':>10}")
    phases = {
        "no page": ("", ""),
        "10 overviews": (",".join(SOCKETS), ""),
        "10 pages": ("1h,15m", "1"),
    }
    for phase, (sockets, polls) in phases.items():
        with ExitStack() as stack:
            if sockets:
                words = [__file__, "--look", str(with_tab.port), "--sockets", sockets]
                stack.enter_context(started(*words, *(["--polls"] if polls else [])))
                time.sleep(5)
            for row in measure(flowers, seconds):
                print(row._replace(name=f"{phase}, Flower {row.name}"), flush=True)
    print("\nBudget: p95 <= 20 ms with ten pages at 1000 tasks/s.\n")


def table_of_paints(flowers: dict[str, Flower]) -> None:
    """Print when each page is painted first, and when its figures are there (Chromium, nothing cached).

    Before each a page of the other Flower's own is opened, which has no figures of ours.
    """
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - of the test extra

    print(f"{'page, ms':<30}{'first paint':>14}{'figures':>10}{'Flower /broker':>16}")
    theirs, ours = (f"http://127.0.0.1:{of.port}" for of in flowers.values())

    def paint(browser: Any, url: str, shown: str) -> tuple[float, float]:
        page = browser.new_context(viewport={"width": 1600, "height": 900}).new_page()
        began = time.perf_counter()
        page.goto(url)
        page.locator(shown).first.wait_for()
        figures = 1000 * (time.perf_counter() - began)
        first: float = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN")
        page.context.close()
        return first, figures

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=CHROMIUM)
        for path in ("", *PAGES):  # the first warms up
            beside, _ = paint(browser, f"{theirs}/broker", "nav")
            first, figures = paint(browser, f"{ours}/monitor{path}", f"#celery-monitor :is({ANSWERED})")
            print(f"/monitor{path:<22}{first:>14.0f}{figures:>10.0f}{beside:>16.0f}", flush=True)
        browser.close()
    print("\nBudget: first paint <= 1000 ms of any page on a store with 1M tasks.")


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=20, help="of each phase")
    parser.add_argument("--rate", type=float, default=1000, help="tasks per second of the stream")
    parser.add_argument("--stored", type=int, default=30_000, help="single tasks that are stored beforehand")
    parser.add_argument("--only", default="answers,paints,run", help="tables, with commas between")
    parser.add_argument("--throttle", type=float, default=1, help="how much slower Chromium makes the page of a run")
    parser.add_argument("--stream", help=argparse.SUPPRESS)
    parser.add_argument("--look", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--sockets", default="", help=argparse.SUPPRESS)
    parser.add_argument("--polls", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.stream:
        stream(asked.stream, asked.rate)
    elif asked.look:
        asyncio.run(look(asked.look, asked.sockets.split(","), POLLS if asked.polls else {}))
    else:
        run(asked)


def run(asked: argparse.Namespace) -> None:
    """Start everything, and print the tables that are asked for."""
    with EmbeddedServer() as server, ExitStack() as stack:
        store = Store.open(server.url, NAMESPACE, timeout_s=30.0)
        busy = "answers" in asked.only or "paints" in asked.only
        if busy:
            fill(store, asked.stored)
            stack.enter_context(started(__file__, "--stream", server.url, "--rate", str(asked.rate)))
        flowers = {
            "without": flower(stack, server.url, tab=False),
            "with the tab": flower(stack, server.url, tab=True),
        }
        if busy:
            print(f"{asked.rate:g} tasks/s of {WORKERS} workers, {asked.stored} tasks stored\n")
        if "answers" in asked.only:
            table_of_answers(flowers, asked.seconds)
        if "paints" in asked.only:
            table_of_paints(flowers)
        if "run" in asked.only:
            table_of_runs(flowers["with the tab"].port, store, asked.throttle)
        store.close()


if __name__ == "__main__":
    main()
