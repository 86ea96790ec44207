"""What a published message plans: ids, what they wait for, bounds, and that each plan is recorded once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery, chain, chord, group, signals
from hypothesis import given
from hypothesis import strategies as st

from celery_monitor.agent import details
from celery_monitor.details import Plan
from celery_monitor.signals import plans, process
from celery_monitor.signals.record import MAX_PAYLOAD, Kind, pack_id, unpack_id
from tests.signals.recorder import Recorder, recording

app = Celery("plans", broker="memory://", backend="cache+memory://", set_as_current=False)


@app.task(name="step", typing=False)
def step(*_: Any) -> int:
    """Be a step of something."""
    return 1


def named(name: str) -> Any:
    """Return a step with an id."""
    return step.si().set(task_id=name)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Records in this process."""
    plans._recent.clear()
    with recording() as found:
        yield found
    plans._recent.clear()


def after(rows: list[Plan]) -> dict[str, str]:
    """Return each planned id with what it waits for."""
    return {unpack_id(row.id): unpack_id(row.after) for row in rows}


def planned(recorder: Recorder, canvas: Any) -> list[Plan]:
    """Publish a canvas and return what was planned."""
    recorder.read()
    canvas.apply_async()
    return recorder.read().get("plans", [])


def test_a_chain_plans_its_steps_one_after_the_other(recorder: Recorder) -> None:
    rows = planned(recorder, chain(named("a"), named("b"), named("c").set(queue="slow")))
    assert after(rows) == {"b": "a", "c": "b"}
    assert {(row.task, row.steps, row.body, row.workflow) for row in rows} == {("step", 1, 0, "step (chain)")}
    assert [row.queue for row in rows] == ["", "slow"]
    assert {unpack_id(row.run) for row in rows} == {unpack_id(rows[0].run)}


def test_a_chords_body_waits_for_its_group_and_is_recorded_once_for_all_its_header(recorder: Recorder) -> None:
    groups: list[str] = []
    signals.before_task_publish.connect(
        lambda headers, **_: groups.append(headers["group"]), weak=False, dispatch_uid="plans"
    )
    rows = planned(recorder, chord([named(f"h{n}") for n in range(20)], named("body")))
    signals.before_task_publish.disconnect(dispatch_uid="plans")
    assert after(rows) == {"body": groups[0]}
    assert rows[0].body == 1


def test_a_group_in_a_chain_is_waited_for_by_its_id(recorder: Recorder) -> None:
    rows = planned(recorder, chain(named("a"), group(named("b"), chain(named("c"), named("d"))), named("e")))
    found = after(rows)
    (members,) = {unpack_id(row.group) for row in rows if unpack_id(row.id) in {"b", "c"}} - {""}
    assert found == {"b": "a", "c": "a", "d": "c", "e": members}
    assert [row.body for row in rows if unpack_id(row.id) == "e"] == [1]


def test_a_body_in_a_nested_chord_waits_for_the_group_around_it(recorder: Recorder) -> None:
    rows = planned(recorder, chord([chord([named("a"), named("b")], named("inner")), named("c")], named("outer")))
    by_id = {unpack_id(row.id): row for row in rows}
    assert set(by_id) == {"inner", "outer"}
    assert by_id["outer"].after == by_id["inner"].group
    assert by_id["inner"].after != by_id["outer"].after


def test_a_step_of_a_chain_records_nothing_anew_when_it_publishes_the_next(recorder: Recorder) -> None:
    """As Celery's tracer does: what is left of the chain goes with the next message."""
    rest = [named("d"), named("c")]
    request = {"id": "a", "chain": rest}
    plans.record("b", request, {"chain": rest, "chord": None}, b"r" * 16, "")
    assert "plans" not in recorder.read()


def test_a_replacement_by_a_chain_records_its_new_steps_only(recorder: Recorder) -> None:
    request = {"id": "a", "chain": [dict(named("d")), dict(named("c"))]}
    embed = {"chain": [dict(named("d")), dict(named("c")), dict(named("new"))], "chord": None}
    plans.record("x", request, embed, b"r" * 16, "")
    assert after(recorder.read()["plans"]) == {"new": "x"}


def test_over_the_bound_steps_are_counted_by_name(recorder: Recorder) -> None:
    rows = planned(recorder, chain(*[named(f"s{n}") for n in range(1001)]))
    assert sum(row.steps for row in rows) == 1000
    assert sum(row.steps for row in rows if row.id) == plans.MOST
    (rest,) = [row for row in rows if not row.id]
    assert (rest.task, rest.steps) == ("step", 500)


def test_a_plan_takes_no_more_than_a_tenth_of_a_ring(recorder: Recorder) -> None:
    found = plans.Opened().message("a", "", [dict(named(f"{'long' * 30}{n}")) for n in range(600)], None)
    sizes = [len(payload) for payload in plans.payloads(b"r" * 16, "w", found)]
    assert sum(sizes[:-1]) <= process.place.size // 10
    assert sum(sizes) <= process.place.size // 10 + 1000, "the last one has a number for each name"
    assert max(sizes) <= MAX_PAYLOAD
    rows = [row for p in plans.payloads(b"r" * 16, "w", found) for row in details.plan(p, b"", "")]
    assert sum(row.steps for row in rows) == 600
    assert "plans" not in recorder.read()


IDS = st.uuids().map(str) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)
STEPS = st.builds(
    plans.Step, IDS, st.text(max_size=300), st.text(max_size=300), IDS | st.just(""), IDS | st.just(""),
    st.integers(0, 1), st.integers(1, 2**31),
)  # fmt: skip


def packed(text: str) -> bytes:
    """Return an id's bytes, none for none."""
    return pack_id(text) if text else b""


@given(st.lists(STEPS, min_size=1, max_size=100), st.binary(min_size=16, max_size=16), st.text(max_size=300))
def test_what_is_packed_is_read(steps: list[plans.Step], run: bytes, workflow: str) -> None:
    found = plans.Opened()
    found.steps = steps
    payloads = list(plans.payloads(run, workflow, found))
    assert all(len(payload) <= MAX_PAYLOAD for payload in payloads)
    rows = [row for payload in payloads for row in details.decode(Kind.PLAN, payload, b"", "")[1]]  # type: ignore[index]
    if all(row.id for row in rows):
        assert [(row.id, row.after, row.group, row.body, row.steps) for row in rows] == [
            (pack_id(s.id), packed(s.after), packed(s.group), s.body, s.steps) for s in steps
        ]
    assert len(rows) == len(steps) or not rows[-1].id


@given(st.binary(max_size=300))
def test_bytes_that_are_no_plan_are_refused_by_an_error_that_is_expected(data: bytes) -> None:
    for kind in (Kind.PLAN, Kind.LABELS):
        try:
            found = details.decode(kind, data, b"", "")
        except ValueError:
            continue
        assert found is not None


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return signatures around others, whole and broken."""
    options = st.dictionaries(st.sampled_from(["task_id", "group_id", "chord", "chain"]), inner | st.text(max_size=5))
    kwargs = st.dictionaries(st.sampled_from(["tasks", "header", "body"]), inner | st.lists(inner, max_size=3))
    tasks = st.sampled_from(["celery.chain", "celery.group", "celery.chord", "step"])
    return st.fixed_dictionaries({"task": tasks, "options": options | inner, "kwargs": kwargs | inner})


FORGED = st.recursive(st.none() | st.integers() | st.text(max_size=3), nested, max_leaves=20)


@given(FORGED | st.lists(FORGED, max_size=4), FORGED)
def test_a_forged_plan_is_opened_within_bounds(chain_: Any, chord_: Any) -> None:
    found = plans.Opened().message("a", "", chain_, chord_)
    assert len(found.steps) <= plans.MOST
    assert len({one.id for one in found.steps}) == len(found.steps)


def test_a_plan_that_holds_itself_comes_to_an_end() -> None:
    loop: dict[str, Any] = {"task": "celery.group", "options": {}, "kwargs": {}}
    loop["kwargs"]["tasks"] = [loop, {"task": "step", "options": {"task_id": "s"}}]
    assert [one.id for one in plans.Opened().message("a", "", [loop], loop).steps] == ["s"]
