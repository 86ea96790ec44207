"""Growth of memory goes to the task that takes it, also where many short ones share a reading; nothing counts twice."""

from __future__ import annotations

import random
from collections.abc import Iterable

from celery_monitor.agent.usage import FAILED_GROWTH, GROWTH, SHARED, SQUARES, Usage
from celery_monitor.details import Traffic
from celery_monitor.model import Attempt, Metrics
from celery_monitor.signals.record import Flag, State

RING = b"ring-one"
READ_US = 20_000


def row(serial: int, task: str, growth: int = 0, runtime_us: int = 30_000, at_us: int = 0, **more: int) -> Attempt:
    empty = dict.fromkeys(("id", "root", "parent", "group", "run"), b"") | dict.fromkeys(
        ("queue", "worker", "workflow", "step", "exception", "message", "traceback"), ""
    )
    numbers = dict.fromkeys(
        ("pid", "reason", "flags", "retries", "priority", "published_us", "wait_us", "cpu_us", "rss_kib"), 0
    )
    about = {
        **empty, **numbers, "uid": RING + serial.to_bytes(4, "little"), "task": task, "state": int(State.SUCCESS),
        "started_us": at_us, "runtime_us": runtime_us, "growth_kib": growth, **more,
    }  # fmt: skip
    return Attempt(**about)  # type: ignore[arg-type]


def sums(metrics: Metrics) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for levels in metrics.gauges.values():
        for series, gauges in levels.items():
            for name, gauge in gauges.items():
                found[series[1], name] = found.get((series[1], name), 0.0) + gauge.total
    return found


def added(*batches: Iterable[Attempt]) -> dict[tuple[str, str], float]:
    usage, metrics = Usage(), Metrics()
    for rows in batches:
        usage.add(metrics, list(rows))
    return sums(metrics)


def test_long_attempts_keep_their_own_growth() -> None:
    found = added([row(1, "leaks", 1024), row(2, "quiet"), row(3, "leaks", 1024), row(4, "frees", -512)])
    assert found == {("leaks", GROWTH): 2048, ("leaks", SQUARES): 2 * 1024**2,
                     ("frees", GROWTH): -512, ("frees", SQUARES): 512**2}  # fmt: skip


def test_what_was_asked_for_is_added_up_and_what_is_unknown_is_not() -> None:
    usage, metrics = Usage(), Metrics()
    one = Traffic(b"id", b"", RING + bytes(4), "fetch", 1, 3000, 5000, -1, -1, 0)
    usage.traffic(
        metrics,
        [
            one,
            one._replace(connections=0, network_sent_bytes=-1),
            one._replace(task="idle")._replace(connections=0, network_sent_bytes=0, network_received_bytes=0),
        ],
    )
    assert sums(metrics) == {("fetch", "connections"): 1, ("fetch", "network_sent_bytes"): 3000,
                             ("fetch", "network_received_bytes"): 10_000}  # fmt: skip


def short_ones(leaking: str, names: list[str], runs: int) -> list[Attempt]:
    """Attempts of 3 ms in one child, as the child writes them: memory is read when 20 ms have passed."""
    order = random.Random(7)
    rows, pending, read_at, now = [], 0, 0, 0
    for serial in range(1, runs + 1):
        task = order.choice(names)
        now += 3000
        pending += 1024 if task == leaking else 0
        growth = 0
        if now >= read_at:
            growth, pending, read_at = pending, 0, now + READ_US
        rows.append(row(serial, task, growth, runtime_us=3000, at_us=now - 3000))
    return rows


def test_short_attempts_that_share_a_reading_do_not_put_it_on_the_innocent() -> None:
    names = [f"innocent{n}" for n in range(20)] + ["leaks"]
    rows = short_ones("leaks", names, 20_000)
    found = added(*(rows[at : at + 1000] for at in range(0, len(rows), 1000)))
    grown = {name: found.get((name, GROWTH), 0.0) for name in names}
    truth = 1024 * sum(each.task == "leaks" for each in rows)
    assert abs(grown["leaks"] - truth) <= 0.1 * truth
    assert max(kib for name, kib in grown.items() if name != "leaks") < 0.02 * truth


def test_an_end_that_was_put_right_counts_once_and_a_provisional_one_not_yet() -> None:
    interrupted = row(1, "leaks", 1024, state=int(State.INTERRUPTED))
    done, wrong = row(1, "leaks", 1024), row(2, "stored", 100)
    corrected = row(2, "stored", 100, state=int(State.STORE_FAILED))
    found = added([interrupted, wrong], [done, corrected])
    assert (found["leaks", GROWTH], found["stored", GROWTH]) == (1024, 100)


def test_what_failed_attempts_take_until_cycles_are_collected_is_kept_apart() -> None:
    failed = [row(n, "fails", 90, state=int(State.FAILURE)) for n in range(1, 11)]
    retried = row(11, "leaks", 60, state=int(State.RETRY))
    given_back, leak = row(12, "leaks", -800), row(13, "leaks", 1024)
    more = row(14, "leaks", -500)  # more than the tracebacks held: some of it is its own
    found = added([*failed, retried, given_back], [leak, more])
    assert found == {("fails", FAILED_GROWTH): 900, ("leaks", FAILED_GROWTH): 60, ("leaks", GROWTH): 1024 - 340,
                     ("leaks", SQUARES): 1024**2 + 340**2}  # fmt: skip


def test_short_attempts_that_fail_do_not_put_their_tracebacks_on_those_that_succeed() -> None:
    """Both of one name, sharing readings: what is there whenever memory grows is the failing ones."""
    rows = short_ones("fails", [*["job"] * 9, "fails"], 5000)
    mixed = [each._replace(task="job", state=int(State.FAILURE)) if each.task == "fails" else each for each in rows]
    found = added(*(mixed[at : at + 1000] for at in range(0, len(mixed), 1000)))
    truth = 1024 * sum(each.task == "fails" for each in rows)
    assert abs(found["job", FAILED_GROWTH] - truth) <= 0.1 * truth


def test_what_a_pool_cannot_attribute_is_marked_and_machinery_is_in_nobodys_sums() -> None:
    found = added([row(1, "job", flags=int(Flag.UNATTRIBUTED)), row(2, "job"),
                   row(3, "celery.chord_unlock", 77, flags=int(Flag.INFRASTRUCTURE))])  # fmt: skip
    assert found == {("job", SHARED): 1}
