"""An app whose tasks are seen from several processes: workers by queue, clients, and people who end waits."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from celery import Celery, chain, chord, group
from celery.utils.log import get_task_logger

from celery_monitor import Monitor, label, measure, span, wait, wait_begin, wait_end, workflow
from tests.waiting import until

app = Celery("flow")
app.conf.update(
    monitor_flush_interval=0.2,
    monitor_tick_interval=1.0,
    monitor_label_keys=["tier"],
    monitor_anonymise_labels=["user"],
    monitor_anonymise_key="a key of sixteen bytes or more",
    task_routes={"flow.second": {"queue": "there"}, "flow.third": {"queue": "here"}},
)
if not os.environ.get("FLOW_BARE"):
    Monitor(app)

log = get_task_logger("flow")


@app.task(name="flow.first")
def first() -> None:
    """Publish what another worker takes."""
    label("step", "first")
    second.delay()


@app.task(name="flow.second")
def second() -> None:
    """Publish what the first worker takes."""
    third.delay()


@app.task(name="flow.third")
def third() -> None:
    """Be the last."""


@app.task(name="flow.asks")
def asks(run_id: str) -> None:
    """Begin a wait that somebody else ends."""
    wait_begin(run_id, "approval")


@app.task(name="flow.hangs")
def hangs(there: str) -> None:
    """Wait for what never comes, and tell when it has begun to."""
    with wait("delivery"):
        open(there, "w").close()
        until(lambda: False, seconds=100)


@app.task(name="flow.tools")
def tools() -> int:
    """Use tools in coroutines and in threads, each with a cost."""

    @span("fetch", kind="tool")
    async def fetch(cost: int) -> None:
        await asyncio.sleep(0)
        measure("tokens", cost)

    def compute(cost: int) -> None:
        with span("compute", kind="tool"):
            measure("tokens", cost)

    async def answer() -> None:
        async with span("plan", kind="agent"):
            await asyncio.gather(*(fetch(1) for _ in range(3)), *(asyncio.to_thread(compute, 10) for _ in range(3)))

    asyncio.run(answer())
    with span("pool"), ThreadPoolExecutor(2) as pool:
        for future in [pool.submit(copy_context().run, compute, 100) for _ in range(2)]:
            future.result()
    return 3


@app.task(name="flow.says")
def says(well: bool) -> None:
    """Log at every level, and fail or not."""
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("%s of one that ends %s", level, "well" if well else "badly", extra={"shelf": 7})
    if not well:
        raise ValueError("on purpose")


@app.task(name="flow.polls")
def polls(left: int) -> None:
    """Come again for so many times."""
    if left:
        polls.apply_async((left - 1,), countdown=0.1)


def watch() -> str:
    """Publish what comes again twice; return its first run."""
    with workflow("watch", tier="free") as run:
        polls.delay(2)
    return run.run_id


def start(name: str, **labels: str) -> str:
    """Publish the first of three within a workflow; return its run."""
    with workflow(name, "d" * 3000, **labels) as run:
        first.delay()
    return run.run_id


def unnamed() -> list[str]:
    """Publish one of each shape without a name; return an id in each."""
    line = chain(third.si(), third.si()).apply_async()
    beside = group(third.si(), third.si()).apply_async()
    joined = chord([third.si(), third.si()], says.si(True)).apply_async()
    return [line.id, beside.children[0].id, joined.id, third.delay().id]


def runs_of(user: str) -> int:
    """Return how many runs of a user are known, where the Monitor has the key that hides users."""
    found = app.celery_monitor.reader().label("user", user)
    return found["run_count"] if found else 0


def ask() -> str:
    """Publish what waits for an approval; return its run."""
    with workflow("ask") as run:
        asks.delay(run.run_id)
    return run.run_id


def approve(run_id: str) -> None:
    """End the wait of a run, as a person does at a terminal, and go on with it."""
    wait_end(run_id, "approval", outcome="approved", by="anna")
    with workflow("ask", run_id=run_id):
        third.delay()


def rate(run_id: str) -> None:
    """Report of a run that is long over."""
    measure("stars", 4, kind="gauge", run_id=run_id)


def hang(there: str) -> str:
    """Publish what hangs; return its run."""
    with workflow("hang") as run:
        hangs.delay(there)
    return run.run_id


def use_tools() -> tuple[str, int]:
    """Publish what uses tools; return its run and its result."""
    with workflow("agent") as run:
        result = tools.delay()
    return run.run_id, result.get(timeout=60)


def say() -> tuple[str, str]:
    """Publish one that logs and ends well, and one that ends badly; return their ids."""
    return says.delay(True).id, says.delay(False).id


def do_everything() -> int:
    """Do all of it in one process; return a task's result."""
    run, result = use_tools()
    approve(run)
    rate(run)
    return result
