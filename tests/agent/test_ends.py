"""Of everything that is told about an attempt one end comes out, whatever the order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery.exceptions import Reject

from celery_monitor.agent.ends import GRACE_S
from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.model import PUBLISHED
from celery_monitor.signals import facts, process
from celery_monitor.signals.record import State
from tests.agent import actors, stored
from tests.signals.apart import apart

Step = Callable[[], None]


def killed() -> None:
    actors.tell_killed("t")


def hard_limit() -> None:
    facts.failed(actors.job, "t", TimeLimitExceeded(3), None)


def lost() -> None:
    facts.failed(actors.job, "t", WorkerLostError("Worker exited prematurely: exitcode 155"), None)


def reject() -> None:
    facts.failed(actors.job, "t", Reject("no"), None)


def terminated() -> None:
    facts.revoked(actors.job, SimpleNamespace(id="t"), terminated=True, expired=False)


def revoked() -> None:
    facts.revoked(actors.job, SimpleNamespace(id="t"), terminated=False, expired=False)


def expired() -> None:
    facts.revoked(actors.job, SimpleNamespace(id="t"), terminated=False, expired=True)


def cancelled() -> None:
    facts.retried(actors.job, SimpleNamespace(id="t"), None)


def published_again() -> None:
    facts.retried(actors.job, SimpleNamespace(id="t"), WorkerLostError("gone"))


def not_stored() -> None:
    facts.not_stored(actors.job, "t", ConnectionError("no backend"))


def ran() -> None:
    actors.run("t")


def interrupted() -> None:
    actors.interrupted("t")


def later() -> None:
    """The agent drains here, and then the grace passes."""


CASES: dict[str, tuple[list[Step], list[tuple[str, str]]]] = {
    "success": ([ran], [("SUCCESS", "OK")]),
    "twice the same id": ([ran, ran], [("SUCCESS", "OK"), ("SUCCESS", "OK")]),
    "a killed child leaving its end behind": ([ran, killed], [("SUCCESS", "OK")]),
    "a killed child leaving its end behind, heard first": ([killed, ran], [("SUCCESS", "OK")]),
    "hard limit, told twice, then the child's last word": (
        [hard_limit, hard_limit, interrupted],
        [("FAILURE", "HARD_TIMEOUT")],
    ),
    "the child's last word, then the hard limit twice": (
        [interrupted, hard_limit, hard_limit],
        [("FAILURE", "HARD_TIMEOUT")],
    ),
    "the twin of a hard limit much later": (
        [interrupted, hard_limit, later, hard_limit],
        [("FAILURE", "HARD_TIMEOUT")],
    ),
    "leaving by SystemExit": ([interrupted, lost], [("FAILURE", "WORKER_LOST")]),
    "a rejection is told by the child alone": ([ran, reject], [("SUCCESS", "OK")]),
    "terminated": ([interrupted, terminated], [("REVOKED", "TERMINATED")]),
    "terminated, heard first": ([terminated, interrupted], [("REVOKED", "TERMINATED")]),
    "cold shutdown": ([interrupted, cancelled], [("LOST", "SHUTDOWN")]),
    "soft shutdown after success": ([ran, cancelled], [("SUCCESS", "OK")]),
    "lost and published again": ([interrupted, published_again], [("RETRY", "WORKER_LOST")]),
    "interrupted and never heard of again": ([interrupted, later], [("LOST", "SHUTDOWN")]),
    "told late, after it was given up": ([interrupted, later, killed], [("LOST", "SHUTDOWN")]),
    "result not stored": ([ran, not_stored], [("STORE_FAILED", "BACKEND")]),
    "result not stored, told twice": ([ran, not_stored, not_stored], [("STORE_FAILED", "BACKEND")]),
    "revoked while it waited": ([revoked], [("REVOKED", "REVOKED")]),
    "expired while it waited": ([expired], [("EXPIRED", "EXPIRED")]),
    "killed before its body began": ([killed, later], [("FAILURE", "KILLED")]),
}


def play() -> dict[str, tuple[list[tuple[str, str]], dict[str, int]]]:
    """Return, per case, the ends by uid and the sum of the counters."""
    found = {}
    for name, (steps, _) in CASES.items():
        process.me = process.Process()
        actors.worker_parent(None)
        process.open_writer()
        instance = Instance(
            process.me.instance, Journal.create(None, process.me.instance, {}), None, "celery@a", 1 << 20
        )
        now, rows, counts = 1000.0, [], Counter[str]()

        def drain(
            instance: Instance = instance, rows: list[Any] = rows, counts: Counter[str] = counts, now: float = now
        ) -> None:
            instance.drain(process.me.kept, now, 0)
            flush = instance.next_flush()
            if flush is not None:
                rows += flush.batch.attempts
                for cells in flush.batch.metrics.cells.values():
                    for series, cell in cells.items():
                        if series[0] == "task":
                            counts.update({State(s).name: n for s, n in cell.counts.items() if s != PUBLISHED})
                instance.acknowledged()

        for step in steps:
            step()
            if step is later:
                drain(now=now)
                now += GRACE_S + 1
                drain(now=now)
        for after in (0.0, 1.0, GRACE_S + 1, 2 * GRACE_S + 2):
            drain(now=now + after)
        ends = stored.ends(rows).get("t", [])
        found[name] = (sorted(ends), {state: n for state, n in counts.items() if n})
    return found


@pytest.fixture(scope="module")
def played() -> dict[str, tuple[list[tuple[str, str]], dict[str, int]]]:
    return apart(play)


@pytest.mark.parametrize("name", CASES)
def test_one_end_comes_out(played: dict[str, Any], name: str) -> None:
    _, expected = CASES[name]
    ends, counts = played[name]
    assert ends == sorted(expected)
    assert counts == dict(Counter(state for state, _ in expected)), "the counters say what the rows say"
