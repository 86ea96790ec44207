"""A run judged from its rows: state, progress, times, path, totals, whatever order the rows came in."""

from __future__ import annotations

import doctest
import random
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from celery_monitor.analytics import executions, judged, path, runs, totals
from celery_monitor.analytics.executions import Standing
from celery_monitor.analytics.judged import Judged, Rows, row
from celery_monitor.analytics.runs import judge
from celery_monitor.details import RunState
from celery_monitor.signals.record import Flag, Reason, State
from tests.analytics.rows import RUN, SECOND, Scenario, id_, us

FAILURE, LOST, RETRY, IGNORED = State.FAILURE, State.LOST, State.RETRY, State.IGNORED


def names(ids: Any) -> list[str]:
    return sorted(i.rstrip(b".").decode() for i in ids)


@pytest.mark.parametrize("module", [executions, judged, path, runs, totals])
def test_the_examples_in_the_docstrings_hold(module: Any) -> None:
    assert doctest.testmod(module).failed == 0


def chain(*ends: State, planned: str = "") -> Scenario:
    """Return a chain a, b, c, ...; its steps end so, those in `planned` are known by their plan alone."""
    s = Scenario()
    letters = "abcdefgh"[: len(ends)]
    s.publish("a")
    for at, (name, state) in enumerate(zip(letters, ends, strict=True)):
        s.ran(name, at + 0.1, at + 1, state, parent=letters[at - 1] if at else "")
    for before, name in zip(letters + planned, (letters + planned)[1:], strict=False):
        s.plan(name, after=before)
    return s


class TestState:
    def test_a_message_that_waits_keeps_its_run_running(self) -> None:
        s = Scenario()
        s.publish("a")
        assert s.judged().state is RunState.RUNNING

    def test_a_chain_that_came_to_its_end_succeeded(self) -> None:
        assert chain(State.SUCCESS, State.SUCCESS).judged().state is RunState.SUCCEEDED

    def test_a_step_that_runs_keeps_its_run_running(self) -> None:
        s = chain(State.SUCCESS)
        s.running("b", 1.5, parent="a")
        run = s.judged(5)
        assert (run.state, run.progress, run.duration_us) == (RunState.RUNNING, 0.5, 4_900_000)

    def test_a_planned_step_may_come_for_a_minute_and_is_missing_then(self) -> None:
        s = chain(State.SUCCESS, planned="b")
        soon, late = s.judged(61), s.judged(61.1)
        assert (soon.state, soon.again_us) == (RunState.RUNNING, us(61))
        assert (late.state, late.over, late.again_us) == (RunState.STUCK, False, 0)
        assert [p.standing for p in late.pending] == [Standing.MISSING]

    def test_what_is_planned_behind_a_missing_step_is_missing_too(self) -> None:
        run = chain(State.SUCCESS, planned="bcd").judged()
        assert [p.standing for p in run.pending] == [Standing.MISSING] * 3
        assert (run.known, run.totals.completed) == (4, 1)

    def test_a_step_behind_a_failure_is_never_published_and_the_run_failed(self) -> None:
        run = chain(State.SUCCESS, FAILURE, planned="c").judged(2)
        assert run.state is RunState.FAILED
        assert [p.standing for p in run.pending] == [Standing.UNREACHED]

    def test_a_step_recorded_as_never_published_is_known_and_not_completed(self) -> None:
        s = chain(FAILURE)
        s.ran("b", 1, 1, State.NEVER_PUBLISHED, parent="a", flags=int(Flag.UNSTARTED), runtime_us=-1)
        run = s.judged()
        assert (run.state, run.known, run.totals.completed, run.totals.failed) == (RunState.FAILED, 2, 1, 1)

    def test_steps_behind_an_ignored_one_are_no_failure(self) -> None:
        s = chain(State.SUCCESS, IGNORED, planned="c")
        assert s.judged().state is RunState.SUCCEEDED
        s.ran("c", 2, 2, State.NEVER_PUBLISHED, parent="b", flags=int(Flag.UNSTARTED), runtime_us=-1)
        assert s.judged().state is RunState.SUCCEEDED

    def test_a_group_with_one_failure_is_partial_and_with_nothing_else_failed(self) -> None:
        s = Scenario()
        for n, state in enumerate((State.SUCCESS, FAILURE, State.SUCCESS)):
            s.ran(f"g{n}", 0, 1, state, group="G")
        assert s.judged().state is RunState.PARTIAL
        s.rows.attempts[:] = [a._replace(state=int(LOST)) for a in s.rows.attempts]
        assert s.judged().state is RunState.FAILED

    def test_a_child_that_fails_beside_one_that_succeeds_makes_it_partial(self) -> None:
        s = chain(State.SUCCESS)
        s.ran("x", 0.5, 3, FAILURE, parent="a")
        s.ran("y", 0.5, 1, parent="a")
        assert s.judged().state is RunState.PARTIAL

    def test_the_callback_of_a_failure_does_not_save_the_run(self) -> None:
        s = chain(FAILURE)
        s.ran("x", 1.5, 3, parent="a", group="G")
        assert s.judged().state is RunState.FAILED

    def test_a_chain_made_by_hand_whose_last_step_failed_failed(self) -> None:
        s = Scenario()
        s.ran("a", 0, 1)
        s.ran("b", 1, 2, parent="a")
        s.ran("c", 2, 3, FAILURE, parent="b")
        assert s.judged().state is RunState.FAILED

    def test_a_retry_is_open_until_its_last_attempt(self) -> None:
        s = Scenario()
        s.ran("a", 0, 1, RETRY)
        assert s.judged().state is RunState.RUNNING
        s.ran("a", 2, 3, retries=1)
        run = s.judged()
        assert (run.state, run.totals.retries, run.totals.errors, run.known) == (RunState.SUCCEEDED, 1, 1, 1)

    def test_a_lost_attempt_that_comes_back_makes_the_run_good_again(self) -> None:
        s = Scenario()
        lost = s.ran("a", 0, 90, LOST)
        assert s.judged().state is RunState.FAILED
        s.rows.attempts.append(lost._replace(state=int(State.SUCCESS), runtime_us=3 * SECOND))
        assert s.judged().state is RunState.SUCCEEDED

    def test_a_requeued_message_is_open(self) -> None:
        s = Scenario()
        s.ran("a", 0, 1, State.REJECTED, reason=int(Reason.REQUEUED))
        assert s.judged().state is RunState.RUNNING

    def test_ignored_with_a_later_message_of_the_same_id_was_replaced(self) -> None:
        s = Scenario()
        s.ran("a", 0, 1, IGNORED)
        s.publish("a", 0.5, parent="a")
        assert s.judged().state is RunState.RUNNING
        s.ran("a", 2, 3, published_us=us(0.5), parent="a")
        assert s.judged().state is RunState.SUCCEEDED

    def test_machinery_keeps_a_run_open_and_is_in_no_total(self) -> None:
        s = chain(State.SUCCESS, planned="b")
        s.ran("u", 1, 1.1, RETRY, flags=int(Flag.INFRASTRUCTURE))
        waiting = s.judged()
        assert (waiting.state, waiting.known, waiting.totals.retries) == (RunState.RUNNING, 2, 0)

    def test_an_open_wait_keeps_a_run_open_unless_its_attempt_has_ended(self) -> None:
        s = Scenario()
        ended = s.ran("a", 0, 1)
        s.wait(0.5, None)
        assert s.judged().state is RunState.RUNNING
        s.rows.waits.clear()
        s.wait(0.5, None, of=ended)
        run = s.judged()
        assert run.state is RunState.SUCCEEDED
        assert [(w.outcome, w.ended_us) for w in run.abandoned] == [("abandoned", us(1))]

    def test_a_late_child_opens_a_run_again(self) -> None:
        s = chain(State.SUCCESS, State.SUCCESS)
        first = row(s.judged())
        s.rows.runs.append(first)
        s.publish("z", 500, parent="b")
        assert (s.judged().state, s.judged().before) == (RunState.RUNNING, first)
        s.ran("z", 501, 502, parent="b")
        again = row(s.judged())
        assert (again.revision, again.known, again.at_us) == (2, 3, us(502))

    def test_members_of_a_group_published_without_a_monitor_get_an_hour(self) -> None:
        s = Scenario()
        s.ran("h", 0, 1, group="G", flags=int(Flag.FOREIGN))
        s.plan("b", after="G", group="G", body=1)
        assert s.judged(1800).state is RunState.RUNNING
        assert s.judged(3700).state is RunState.STUCK

    def test_a_run_of_labels_alone_is_open_for_a_minute(self) -> None:
        s = Scenario()
        s.label("user=u1", workflow="order")
        assert [s.judged(at).state for at in (59, 61)] == [RunState.RUNNING, RunState.SUCCEEDED]
        assert (s.judged(61).workflow, s.judged(61).progress) == ("order", None)


class TestTree:
    def test_edges_belong_to_attempts_so_a_replaced_task_makes_no_loop(self) -> None:
        s = Scenario()
        s.ran("a", 0, 1, State.REPLACED)
        s.ran("b", 1, 2, parent="a")
        s.ran("a", 2, 3, parent="b")
        s.ran("r", 0, 1, State.REPLACED)
        s.ran("r", 1, 2, parent="r")
        one, two, three, four, five = (a.uid for a in s.rows.attempts)
        assert s.judged().edges == {one: b"", two: one, three: two, four: b"", five: four}

    def test_a_child_hangs_on_the_attempt_that_published_it(self) -> None:
        s = Scenario()
        first = s.ran("a", 0, 1, RETRY)
        second = s.ran("a", 5, 6, retries=1)
        early, late = s.ran("x", 0.5, 2, parent="a"), s.ran("y", 5.5, 7, parent="a")
        edges = s.judged().edges
        assert (edges[early.uid], edges[late.uid]) == (first.uid, second.uid)

    def test_clocks_that_disagree_make_no_loop(self) -> None:
        s = Scenario()
        s.ran("a", 5, 6, parent="b")
        s.ran("b", 1, 2, parent="a")
        edges = s.judged().edges
        assert sorted(bool(parent) for parent in edges.values()) == [False, True]

    def test_thousands_of_steps_in_a_row_are_judged(self) -> None:
        s = Scenario()
        for n in range(3000):
            s.ran(f"s{n}", n, n + 1, parent=f"s{n - 1}" if n else "")
            s.plan(f"p{n}", after=f"p{n - 1}" if n else "s2999")
        run = s.judged(4000)
        assert (len(run.path), run.state, len(run.pending)) == (3000, RunState.STUCK, 3000)


class TestTime:
    def test_the_path_runs_through_the_slowest_member_of_a_chord(self) -> None:
        s = Scenario()
        for name, end in (("h1", 3), ("h2", 9), ("h3", 4)):
            s.publish(name, group="G")
            s.ran(name, 0.5, end, group="G", published_us=us(0))
        s.plan("b", after="G", group="G", body=1)
        s.ran("b", 9.1, 10, parent="h1", group="G")
        run = s.judged()
        assert [run.nodes[key].task for key in run.path] == ["shop.h", "shop.b"]
        assert run.nodes[run.path[0]].id == id_("h2")
        assert (run.bottleneck.step, run.bottleneck.duration_us) == ("shop.h", 8_500_000)
        assert (run.duration_us, run.turnaround_us) == (9_500_000, 10_000_000)

    def test_the_path_runs_through_retries(self) -> None:
        s = Scenario()
        s.ran("a", 0, 2, RETRY)
        s.ran("a", 3, 5, retries=1)
        assert len(s.judged().path) == 2

    def test_a_caller_does_not_wait_for_plain_children(self) -> None:
        s = chain(State.SUCCESS, State.SUCCESS)
        s.ran("x", 1, 30, parent="a")
        run = s.judged()
        assert (run.turnaround_us, run.duration_us, run.ended_us) == (2_000_000, 29_900_000, us(30))

    def test_without_the_first_publish_nobody_knows_how_long_the_caller_waited(self) -> None:
        s = chain(State.SUCCESS, State.SUCCESS)
        s.rows.publishes.clear()
        s.rows.attempts[0] = s.rows.attempts[0]._replace(published_us=0, flags=int(Flag.FOREIGN))
        run = s.judged()
        assert (run.published_us, run.turnaround_us, run.duration_us) == (0, -1, 1_900_000)

    def test_a_run_has_no_end_while_it_is_open(self) -> None:
        s = chain(State.SUCCESS)
        s.publish("b", 1, parent="a")
        run = s.judged(11)
        assert (run.ended_us, run.turnaround_us, run.duration_us) == (0, -1, 10_900_000)


class TestTotals:
    def test_everything_adds_up(self) -> None:
        s = chain(State.SUCCESS, FAILURE)
        a = s.rows.attempts[0] = s.rows.attempts[0]._replace(write_bytes=4096)  # of the other nothing is known
        s.span(a, 1, 0.2, 0.4, api="duckduckgo")
        s.span(a, 2, 0.4, 0.5)
        s.wait(0.1, 0.6, of=a)
        s.wait(5, None, key=b"x" * 16)
        for value in (100.0, 23.5):
            s.measure(value, at=value)
        s.measure(7.0, at=1, name="score", kind="gauge")
        run = s.judged(10)
        t = run.totals
        assert (t.completed, t.succeeded, t.failed, t.errors, t.attempts) == (2, 1, 1, 1, 2)
        assert (t.run_us, t.wait_us, t.cpu_us, t.rss_kib) == (1_800_000, 20_000, 2000, 2048)
        assert (t.read_bytes, t.write_bytes) == (-1, 4096)
        assert (t.spans, t.api_calls) == (2, 1)
        assert (t.waits["approval"].count, t.waits["approval"].open, t.waits["approval"].us) == (2, 1, 5_500_000)
        assert [(m.name, m.count, m.sum, m.last) for m in t.measures] == [
            ("score", 1, 7.0, 7.0),
            ("tokens", 2, 123.5, 100.0),
        ]
        assert t.tasks.names == ["shop.a", "shop.b"]
        assert (t.workers.names, t.queues.names) == (["celery@a"], ["default"])

    def test_names_are_bounded_and_counted(self) -> None:
        s = Scenario()
        for n in range(30):
            s.ran(f"s{n}", 0, 1, task=f"shop.t{n:02}", worker=f"celery@{n}")
        t = s.judged().totals
        assert (t.tasks.count, len(t.tasks.names), t.workers.count, len(t.workers.names)) == (30, 20, 30, 20)

    def test_steps_told_by_their_number_count_until_they_are_published(self) -> None:
        s = Scenario()
        s.ran("a", 0, 1)
        s.plan("", after="a", task="shop.g", steps=700)
        s.running("g1", 1, parent="a")
        assert s.judged().known == 702
        s.publish("g2", 1, parent="a")
        assert s.judged().known == 702

    def test_labels_name_and_description_come_from_the_newest_row(self) -> None:
        s = chain(State.SUCCESS)
        s.label("session=s1&user=anna%20b", 1, workflow="daily", description="first")
        s.label("user=u2&continues=r0", 2, description="second")
        s.label("step=1", 3, name="a")
        run = s.judged()
        assert (run.workflow, run.description, run.continues) == ("daily", "second", "r0")
        assert (run.labels, run.executions[id_("a")].labels) == ({"session": "s1", "user": "u2"}, {"step": "1"})
        assert row(run).labels == "continues=r0&session=s1&user=u2"


def test_an_end_that_is_not_folded_yet_closes_its_wait_and_is_none_of_its_own() -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    s.wait(0.1, None)
    end = s.rows.waits[-1]._replace(begun_us=0, ended_us=us(0.6), at_us=us(0.6), outcome="approved", ended_by="bob")
    s.rows.waits.append(end)
    s.wait(2, None)  # begun again
    s.rows.waits.append(end._replace(key=b"?" * 16))  # of what began elsewhere
    both = [(w.begun_us, w.ended_us, w.outcome, w.ended_by) for w in s.judged().waits]
    s.wait(0.1, 0.6)  # the fold has paired them meanwhile
    after = [(w.begun_us, w.ended_us) for w in s.judged().waits]

    assert both == [(us(0.1), us(0.6), "approved", "bob"), (us(2), 0, "", "")]
    assert after == [(us(0.1), us(0.6)), (us(2), 0)]


def whole() -> Scenario:
    """Return a run in which a bit of everything happens."""
    s = Scenario()
    s.publish("a")
    a = s.ran("a", 0, 1)
    for n in range(4):
        s.publish(f"h{n}", 1, parent="a", group="G")
        s.ran(f"h{n}", 1 + n, 3 + n, parent="a", group="G")
    s.ran("h1", 2, 2.5, RETRY, parent="a", group="G")
    s.plan("b", after="G", group="G", body=1)
    s.plan("c", after="b")
    s.ran("b", 7, 8, FAILURE, parent="h3", group="G")
    lost = s.ran("x", 1, 90, LOST, parent="a")
    s.rows.attempts.append(lost._replace(state=int(State.SUCCESS), runtime_us=SECOND))
    s.ran("r", 1, 2, State.REPLACED, parent="a")
    s.ran("r", 2, 3, parent="r")
    s.running("z", 5, parent="r")
    s.label("user=u1", workflow="order")
    s.label("user=u2", 1)
    s.span(a, 1, 0.2, 0.4)
    s.wait(0.1, None)
    s.wait(0.1, 0.6)
    s.measure(0.1)
    s.measure(0.2, 1)
    s.measure(0.3, 2)
    return s


def comparable(run: Judged) -> dict[str, Any]:
    """Return everything that is said of a run."""
    shown = {f.name: getattr(run, f.name) for f in fields(run) if f.name != "executions"}
    shown["executions"] = {i: (e.state, e.standing, e.attempts, e.publishes) for i, e in run.executions.items()}
    return shown


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), twice=st.sets(st.integers(0, 60)), now=st.sampled_from([3.0, 8.5, 200.0]))
def test_any_order_of_rows_and_rows_that_came_twice_say_the_same(seed: int, twice: set[int], now: float) -> None:
    rows = whole().rows
    chance = random.Random(seed)
    tables: dict[str, Any] = {f.name: list(getattr(rows, f.name)) for f in fields(rows) if f.name != "run"}
    for n, (name, index) in enumerate([(t, i) for t, of in tables.items() for i in range(len(of))]):
        if n in twice:
            tables[name].append(tables[name][index])
    for table in tables.values():
        chance.shuffle(table)

    mixed = judge(Rows(RUN, **tables), us(now))

    assert comparable(mixed) == comparable(judge(rows, us(now)))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_the_rows_say_judging_ends_and_holds_together(data: st.DataObject) -> None:
    """Random parents, groups, plans and states: loops of every kind among them."""
    s = Scenario()
    letters = st.sampled_from([*"abcdef", ""])
    for _ in range(data.draw(st.integers(0, 12))):
        name = data.draw(st.sampled_from("abcdef"))
        start = data.draw(st.integers(0, 20))
        state = data.draw(st.sampled_from([s for s in State if s is not State.STARTED]))
        s.ran(
            name,
            start,
            start + data.draw(st.integers(0, 5)),
            state,
            parent=data.draw(letters),
            group=data.draw(letters),
        )
    for _ in range(data.draw(st.integers(0, 8))):
        s.plan(
            data.draw(letters), after=data.draw(letters), group=data.draw(letters), steps=data.draw(st.integers(1, 3))
        )
    for _ in range(data.draw(st.integers(0, 3))):
        s.publish(data.draw(st.sampled_from("abcdef")), data.draw(st.integers(0, 20)), parent=data.draw(letters))

    run = s.judged(data.draw(st.sampled_from([5.0, 70.0, 5000.0])))

    for start_key in run.edges:  # every walk up ends
        seen, key = set(), start_key
        while key:
            assert key not in seen
            seen.add(key)
            key = run.edges[key]
    assert len(set(run.path)) == len(run.path)
    assert 0 <= run.totals.completed <= run.known
    assert run.over or run.ended_us == 0
    if run.state is RunState.SUCCEEDED:
        assert run.totals.failed == 0
    assert row(run).state == run.state
