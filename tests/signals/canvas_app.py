"""An app whose tasks are canvases; it notes the run of every message and attempt, as our signals see it."""

from __future__ import annotations

import os
from typing import Any

import redis
from celery import Celery, chain, chord, group, signals

from celery_monitor import workflow
from celery_monitor.agent import details
from celery_monitor.signals import attempts, handlers, header, process
from celery_monitor.signals.record import Kind, fixed_id, unpack_id

app = Celery("canvas")
app.conf.broker_url = os.environ["CELERY_BROKER_URL"]
app.conf.result_backend = os.environ["CELERY_RESULT_BACKEND"]
app.conf.result_chord_retry_interval = 0.1
log = redis.Redis.from_url(app.conf.broker_url.replace("redis+socket", "unix"))

if os.environ.get("INSTRUMENTED") != "no":
    handlers.connect()


@signals.before_task_publish.connect(weak=False)
def published(headers: dict[str, Any], **_: Any) -> None:
    """Note a message: its run as stamped, none when there is no Monitor."""
    found = header.decode(headers.get(header.NAME))
    log.rpush("published", f"{headers['task']} {found.run.hex() if found else ''}")
    log.rpush("ids", f"{os.getpid()} {headers['id']}")


_put = process.put


def overheard(kind: Kind, payload: bytes) -> None:
    """Note what is recorded of plans, and record it."""
    if kind == Kind.PLAN:
        for row in details.plan(payload, b"", ""):
            log.rpush("planned", f"{unpack_id(row.id)} {(row.run or fixed_id(row.id)).hex()} {unpack_id(row.after)}")
    _put(kind, payload)


process.put = overheard


@signals.task_prerun.connect(weak=False)
def ran(task: Any, **_: Any) -> None:
    """Note an attempt's run."""
    attempt = attempts.current()
    if attempt is not None:
        log.rpush("ran", f"{task.name} {attempt.run.hex()}")


@app.task
def step(*_: Any) -> int:
    """Be a step of something."""
    return 1


@app.task(bind=True, max_retries=2)
def again(self: Any) -> None:
    """Retry once."""
    if self.request.retries < 1:
        # At once, its SUCCESS could be stored before the first attempt's RETRY, and its chord would wait for ever.
        raise self.retry(countdown=0.1)


@app.task(bind=True)
def swap(self: Any, *_: Any) -> None:
    """Be replaced by a task."""
    raise self.replace(step.si())


@app.task(bind=True)
def swap_chain(self: Any, *_: Any) -> None:
    """Be replaced by a chain."""
    raise self.replace(chain(step.si(), step.si()))


@app.task(bind=True)
def swap_group(self: Any, *_: Any) -> None:
    """Be replaced by a group."""
    raise self.replace(group(step.si(), step.si()))


@app.task
def spawn() -> None:
    """Publish children from the body."""
    step.delay()
    group(step.si(), step.si()).delay()
    chord([step.si()], step.si()).delay()


@app.task
def fail() -> None:
    """Raise."""
    raise ValueError("on purpose")


@app.task
def errback(task_id: str) -> None:
    """Be called with the failed task's id."""


@app.task
def publishes(name: str) -> None:
    """Publish a shape from a body."""
    publish(name)


S = step.si
SHAPES: dict[str, tuple[Any, int]] = {
    "a task": (S(), 1),
    "chain": (chain(S(), S(), S()), 3),
    "group": (group(S(), S(), S()), 3),
    "chord": (chord([S(), S()], S()), 3),
    "group of chains": (group(chain(S(), S()), chain(S(), S())), 4),
    "chord of chains": (chord([chain(S(), S()), chain(S(), S())], S()), 5),
    "chord in a chain": (chain(S(), group(S(), S()), S(), S()), 5),
    "group in a group": (group(group(S(), S()), S()), 3),
    "group of chords": (group(chord([S(), S()], S()), chord([S(), S()], S())), 6),
    "chord in a chord": (chord([chord([S(), S()], S()), S()], S()), 5),
    "chord in a chord in a chord": (chord([chord([chord([S(), S()], S()), S()], S()), S()], S()), 7),
    "chain of groups": (chain(group(S(), S()), group(S(), S())), 4),
    "chain of groups and a task": (chain(group(S(), S()), group(S(), S()), S()), 5),
    "chord whose body is a chain": (chord([S(), S()], chain(S(), S())), 4),
    "chord whose body is a group": (chord([S(), S()], group(S(), S())), 4),
    "chunks": (step.chunks([(n,) for n in range(10)], 4).group(), 3),
    "link": (step.si().on_error(errback.s()).set(link=[S(), S()]), 3),
    "link_error": (fail.si().on_error(errback.s()), 2),
    "retry": (again.si(), 2),
    "replaced by a task": (swap.si(), 2),
    "replaced by a chain": (swap_chain.si(), 3),
    "replaced by a group": (swap_group.si(), 4),
    "replaced in a chain": (chain(S(), swap.s(), S()), 4),
    "replaced in a group": (group(swap.si(), S()), 3),
    "children": (spawn.si(), 6),
}
NESTED: dict[str, tuple[Any, int]] = {
    "chord in a chain in a group": (group(chain(S(), chord([S(), S()], S())), S()), 5),
    "chain in a group in a chain": (chain(S(), group(chain(S(), S()), S()), S()), 5),
    "group of chains in a chord in a chain": (chain(S(), chord([chain(S(), S()), S()], S()), S()), 6),
    "chord of chords in a chain": (chain(S(), chord([chord([S(), S()], S()), S()], S()), S()), 7),
    "chain with a chord in a chord's header": (chord([chain(S(), group(S(), S()), S()), S()], S()), 6),
    "chord whose body is a chain with a chord": (chord([S(), S()], chain(S(), group(S(), S()), S())), 6),
    "chunks in a chain in a chord": (chord([chain(S(), step.chunks([(1,), (2,), (3,)], 2).group()), S()], S()), 5),
    "a retry in a chain in a chord": (chord([chain(S(), again.si()), S()], S()), 5),
    "a replacement in a chain in a chord": (chord([chain(S(), swap.si()), S()], S()), 5),
    "a task replaced by a chain in a chain in a group": (group(chain(S(), swap_chain.si(), S()), S()), 6),
    "children in a chain in a chord": (chord([chain(S(), spawn.si()), S()], S()), 9),
    "a link in a chain in a group": (group(chain(S(), S().set(link=[S()])), S()), 4),
}
"""Shapes three deep."""
SHAPES |= NESTED
FAILING: dict[str, tuple[Any, int]] = {
    "chain that fails": (chain(S(), fail.si(), S(), chord([S(), S()], S())), 2),
    "chord that fails": (chord([S(), fail.si()], chain(S(), S())), 2),
    "chord in a chain that fails": (chain(S(), chord([S(), fail.si()], S()), S()), 3),
}
"""Shapes of which so many messages are published, and the rest is planned only."""


def publish(name: str) -> None:
    """Publish one shape."""
    (SHAPES | FAILING)[name][0].clone().apply_async()


def publish_from_task(name: str) -> None:
    """Publish a task that publishes the shape."""
    publishes.si(name).apply_async()


def publish_named(name: str) -> None:
    """Publish the shape within a workflow."""
    with workflow("named", user="u1") as block:
        publish(name)
    log.set("run", block.run_id)
