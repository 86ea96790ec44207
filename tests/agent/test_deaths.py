"""Children that ended are told once each, in words, with what they were running."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from celery_monitor.agent.deaths import Deaths
from celery_monitor.agent.instance import CutOff
from celery_monitor.signals.record import Reason, pack_id

SECOND = 1_000_000


class Child:
    """What billiard keeps of a child."""

    def __init__(self, pid: int, **more: Any) -> None:
        self.pid, self.exitcode = pid, None
        vars(self).update(more)


class Pool:
    """What billiard's pool does when it reaps a child."""

    def __init__(self, *children: Child) -> None:
        self._pool = list(children)
        self.heard: list[int] = []
        self.on_process_down: Any = lambda child: self.heard.append(child.pid)

    def forget(self, child: Child, code: int) -> None:
        child.exitcode = code  # type: ignore[assignment]
        self._pool.remove(child)


def instance(*left: CutOff, open_pids: tuple[int, ...] = ()) -> Any:
    """What an instance knows of attempts that were cut off, and that are open."""
    ends = SimpleNamespace(last_of=lambda _: None)
    return SimpleNamespace(cut_off=list(left), open_pids=lambda: set(open_pids), ends=ends)


def look(deaths: Deaths, pool: Pool, instance_: Any, now_s: int = 0) -> None:
    deaths.look(deaths.watch(pool), instance_, now_s * SECOND)


def test_a_child_that_is_missed_before_it_is_told_of_counts_once() -> None:
    child, deaths = Child(7), Deaths()
    pool = Pool(child, Child(8))
    look(deaths, pool, instance())
    pool.forget(child, 155)
    look(deaths, pool, instance())
    pool.on_process_down(child)
    look(deaths, pool, instance())
    assert (dict(deaths.exits), list(deaths.last), pool.heard) == ({"recycled": 1}, [], [7])


def test_a_child_that_lived_between_two_looks_is_told_of_too() -> None:
    deaths, pool = Deaths(), Pool()
    look(deaths, pool, instance())
    pool.on_process_down(Child(9, exitcode=1))
    look(deaths, pool, instance(), 5)
    assert [(death["pid"], death["exit"]) for death in deaths.last] == [(9, "exit 1")]


def test_a_death_waits_for_the_word_on_what_was_running() -> None:
    child, deaths = Child(7), Deaths()
    pool = Pool(child)
    look(deaths, pool, instance())
    pool.forget(child, -9)
    look(deaths, pool, instance(open_pids=(7,)), 1)
    assert not deaths.exits
    left = instance(CutOff(7, pack_id("order-1"), "shop.mail", 5, int(Reason.OUT_OF_MEMORY)))
    look(deaths, pool, left, 7)
    (death,) = deaths.last
    assert death == {
        "pid": 7, "at_us": SECOND, "exit": "out of memory", "code": -9,
        "running": [{"id": "order-1", "task": "shop.mail", "started_us": 5}],
    }  # fmt: skip
    assert not left.cut_off


@pytest.mark.parametrize(
    ("more", "starved", "word"),
    [
        ({"exitcode": -15, "_controlled_termination": True}, False, "pool shrunk"),
        ({"exitcode": -15, "_controlled_termination": True, "_job_terminated": True}, False, "task terminated"),
        ({"exitcode": -9}, True, "out of memory"),
        ({"exitcode": -9}, False, "SIGKILL"),
        ({"exitcode": -11}, True, "SIGSEGV"),
        ({"exitcode": -99}, False, "signal 99"),
    ],
)
def test_the_exit_is_told_in_words(more: dict[str, Any], starved: bool, word: str) -> None:
    deaths, pool = Deaths(lambda _: starved), Pool()
    look(deaths, pool, instance())
    pool.on_process_down(Child(9, **more))
    look(deaths, pool, instance())
    assert dict(deaths.exits) == {word: 1}


def test_a_pool_of_threads_has_no_children() -> None:
    deaths = Deaths()
    assert deaths.watch(None) == []
    deaths.look([], instance(), 0)
    assert not deaths.exits
