"""Which levels the rules get to see."""

from __future__ import annotations

import doctest
from typing import Any

import pytest

from celery_monitor.alerts import readings as module
from celery_monitor.alerts.readings import LEAST_ENDS, readings
from celery_monitor.alerts.rules import DEFAULTS
from celery_monitor.live_state import AgentState
from celery_monitor.model import Cell
from celery_monitor.signals.record import State

S = 1_000_000
NOW = 1000 * S


def cell_of(succeeded: int, failed: int) -> Cell:
    cell = Cell()
    cell.counts = {State.SUCCESS: succeeded, State.FAILURE: failed}
    return cell


def agent(name: str = "celery@a", *, silent_s: float = 0.0, **more: Any) -> AgentState:
    state: dict[str, Any] = {
        "role": "worker",
        "hostname": name,
        "host": "a",
        "interval_s": 10.0,
        "at_us": NOW - round(silent_s * S),
        "machine": {
            "cpu_percent": 50.0,
            "load1": 1.0,
            "cpus": 2.0,
            "memory_used_bytes": 60,
            "memory_total_bytes": 100,
            "disk_used_bytes": 95,
            "disk_total_bytes": 100,
        },
    }
    return state | more  # type: ignore[return-value]


def levels(*agents: AgentState) -> dict[tuple[str, str], float]:
    return {(r.rule, r.subject): r.value for r in readings({}, {}, agents, NOW)}


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(module).failed == 0


def test_an_entry_of_beats_is_read_as_overdue_as_it_is() -> None:
    found = readings({}, {}, [], NOW, {"nightly": 61.0, "hourly": 0.0})

    assert found == [("schedule_missed", "nightly", 61.0, "seconds"), ("schedule_missed", "hourly", 0.0, "seconds")]


def test_a_success_share_needs_enough_ends() -> None:
    few, enough = cell_of(LEAST_ENDS - 2, 1), cell_of(LEAST_ENDS - 1, 1)

    found = readings({"few": few, "enough": enough}, {}, [], NOW)

    assert [(r.rule, r.subject, r.value) for r in found] == [("success_share", "enough", 0.95)]


def test_an_unknown_backlog_is_no_reading() -> None:
    found = readings({}, {"mail": {"backlog": 3.0}, "pdf": {"backlog": None}, "sms": {}}, [], NOW)

    assert {r.subject for r in found} == {"mail"}
    assert {r.rule: r.value for r in found} == {"backlog": 3.0, "queue_unserved": 3.0}


def test_a_worker_is_overdue_from_the_heartbeat_it_promised() -> None:
    assert levels(agent(silent_s=9))["worker_lost", "celery@a"] == 0
    assert levels(agent(silent_s=17))["worker_lost", "celery@a"] == 7


def test_an_orderly_goodbye_is_no_loss() -> None:
    assert levels(agent(silent_s=500, goodbye=True))["worker_lost", "celery@a"] == 0


def test_a_worker_that_was_started_again_is_not_lost() -> None:
    before, after = agent(silent_s=500, boot="1"), agent(silent_s=1, boot="2")

    assert levels(after, before)["worker_lost", "celery@a"] == 0


def test_a_worker_that_crashed_beside_an_old_one_of_its_name_is_missed_though_that_said_goodbye_later() -> None:
    old = agent(silent_s=20, started_us=NOW - 3600 * S, goodbye=True)
    new = agent(silent_s=60, started_us=NOW - 90 * S)

    assert levels(old, new)["worker_lost", "celery@a"] == levels(new, old)["worker_lost", "celery@a"] == 50


def test_of_two_workers_with_one_name_each_is_missed() -> None:
    """Whichever of them began later, and whichever spoke last."""
    lives, dead = agent(started_us=NOW - 500 * S), agent(silent_s=30, started_us=NOW - 400 * S)
    assert levels(lives, dead)["worker_lost", "celery@a"] == 20
    lives, dead = agent(started_us=NOW - 400 * S), agent(silent_s=30, started_us=NOW - 500 * S)
    assert levels(lives, dead)["worker_lost", "celery@a"] == 20


def test_only_workers_are_missed() -> None:
    assert ("worker_lost", "web@a") not in levels(agent("web@a", role="producer", silent_s=500))


def test_a_machine_is_read_once_however_many_workers_it_has() -> None:
    found = readings({}, {}, [agent("celery@1"), agent("celery@2")], NOW)

    assert [r.rule for r in found if r.subject == "a"] == ["host_cpu", "host_memory", "host_disk"]
    assert levels(agent())["host_disk", "a"] == pytest.approx(0.95)


def test_of_a_machine_the_last_look_counts_and_a_producers_only_where_nobody_else_looks() -> None:
    def looked(cpu: float, name: str, **more: Any) -> AgentState:
        machine = {**agent()["machine"], "cpu_percent": cpu}
        return agent(name, machine=machine, **more)

    one_again = [looked(10, "celery@1", silent_s=300), looked(20, "celery@2", silent_s=5), looked(30, "celery@1")]
    assert levels(*one_again)["host_cpu", "a"] == 0.3
    web = looked(90, "web@a", role="producer")
    assert levels(looked(20, "celery@2", silent_s=5), web)["host_cpu", "a"] == 0.2
    assert levels(web)["host_cpu", "a"] == 0.9


def test_what_a_silent_agent_said_of_its_machine_is_no_longer_true() -> None:
    assert [key for key in levels(agent(silent_s=60)) if key[0].startswith("host_")] == []


def test_every_reading_is_in_its_rules_unit() -> None:
    found = readings(
        {"t": cell_of(30, 0)}, {"q": {"backlog": 1.0}}, [agent(), agent("beat@a", role="beat")], NOW, {"e": 0.0}
    )

    assert {r.rule for r in found} == set(DEFAULTS)
    assert all(r.unit == DEFAULTS[r.rule].unit for r in found)


def test_what_waits_where_no_living_worker_consumes_is_unserved() -> None:
    queues: dict[str, dict[str, float | None]] = {
        "served": {"backlog": 9.0}, "typo": {"backlog": 4.0}, "left": {"backlog": 2.0}, "odd": {"backlog": None},
    }  # fmt: skip
    agents = [agent(queues=["served"]), agent("celery@b", queues=["left"], goodbye=True)]

    found = {r.subject: r.value for r in readings({}, queues, agents, NOW) if r.rule == "queue_unserved"}

    assert found == {"served": 0.0, "typo": 4.0, "left": 2.0}
    assert DEFAULTS["queue_unserved"].bad(1.0)
    assert DEFAULTS["queue_unserved"].good(0.0)


def test_a_queue_is_served_by_each_worker_of_one_name_and_by_consumers_that_only_the_broker_knows() -> None:
    queues = {"one": {"backlog": 9.0}, "two": {"backlog": 4.0}, "foreign": {"backlog": 2.0, "consumers": 1.0},
              "typo": {"backlog": 3.0, "consumers": 0.0}}  # fmt: skip
    agents = [
        agent(queues=["one"], started_us=NOW - 50 * S),
        agent(queues=["two"], silent_s=1, started_us=NOW - 99 * S),
    ]

    found = {r.subject: r.value for r in readings({}, queues, agents, NOW) if r.rule == "queue_unserved"}

    assert found == {"one": 0.0, "two": 0.0, "foreign": 0.0, "typo": 3.0}


def test_a_beat_that_misses_its_heartbeat_has_a_rule_of_its_own() -> None:
    beat = agent("beat@a", role="beat", silent_s=25.0)
    assert levels(beat)["beat_lost", "beat@a"] == 15.0
    assert ("worker_lost", "beat@a") not in levels(beat)
