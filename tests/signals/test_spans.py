"""Spans: what is recorded of a named part of a task, whatever leaves it, and that nothing of ours ever does."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from celery.exceptions import Ignore, Retry

from celery_monitor import measure, span
from celery_monitor.signals import content, process
from celery_monitor.signals.record import State, pack_id
from tests.signals.recorder import Recorder


def body(function: Any, recorder: Recorder) -> list[Any]:
    """Run a function as a task and return its spans by number."""
    recorder.run(function)
    return sorted(recorder.read()["spans"], key=lambda row: row.number)


def test_a_span_tells_what_it_was_and_how_it_went(recorder: Recorder) -> None:
    def work() -> None:
        with span("web_search", kind="tool") as s:
            s.set(status=200, api="duckduckgo", api_seconds=0.25)

    task_id = recorder.run(work, name="agent.step")
    (row,) = recorder.read()["spans"]
    assert (row.name, row.kind, row.failed, row.exception, row.message) == ("web_search", "tool", 0, "", "")
    assert (row.api, row.api_status, row.api_us) == ("duckduckgo", 200, 250_000)
    assert (row.id, row.run, row.task, row.worker) == (pack_id(task_id), b"", "agent.step", "h@here")
    assert row.uid == recorder.attempts[0].uid
    assert 0 <= row.duration_us <= recorder.attempts[0].runtime_us
    assert recorder.attempts[0].started_us <= row.at_us - row.duration_us


def test_spans_within_spans_name_the_one_around_them(recorder: Recorder) -> None:
    def work() -> None:
        with span("a"):
            with span("b"), span("c"):
                pass
            with span("d"):
                pass
        with span("e"):
            pass

    rows = body(work, recorder)
    assert [(row.name, row.number, row.parent) for row in rows] == [
        ("a", 1, 0), ("b", 2, 1), ("c", 3, 2), ("d", 4, 1), ("e", 5, 0)
    ]  # fmt: skip


def test_an_exception_is_recorded_and_goes_on(recorder: Recorder) -> None:
    def work() -> None:
        with span("db"):
            raise LookupError("no such row")

    (row,) = body(work, recorder)
    assert (row.failed, row.exception, row.message) == (1, "LookupError", "no such row")
    assert recorder.attempts[0].state == State.FAILURE
    assert recorder.attempts[0].exception == "LookupError"


@pytest.mark.parametrize(
    ("error", "failed"), [(Ignore(), 0), (Retry("later"), 0), (Retry("later", exc=OSError("away")), 1)]
)
def test_celerys_ways_to_leave_a_task_are_no_failure_of_a_span(
    recorder: Recorder, error: BaseException, failed: int
) -> None:
    def work() -> None:
        with span("step"):
            raise error

    (row,) = body(work, recorder)
    assert row.failed == failed


@pytest.mark.parametrize("told", [OSError("away"), "away"])
def test_a_span_can_fail_without_an_exception(recorder: Recorder, told: Any) -> None:
    def work() -> None:
        with span("api") as s:
            s.fail(told)

    (row,) = body(work, recorder)
    assert (row.failed, row.message) == (1, "away")
    assert recorder.attempts[0].state == State.SUCCESS


def test_every_kind_of_function_can_be_decorated(recorder: Recorder) -> None:
    @span("plain", kind="tool")
    def plain(n: int) -> int:
        return n + 1

    @span("coroutine")
    async def coroutine(n: int) -> int:
        await asyncio.sleep(0)
        return plain(n)

    @span("generator")
    def generator() -> Iterator[int]:
        yield plain(1)
        yield plain(2)

    @span("async generator")
    async def async_generator() -> AsyncIterator[int]:
        yield 1
        yield await coroutine(1)

    async def all_of_it() -> list[int]:
        async with span("block"):
            return [await coroutine(1), *generator(), *[n async for n in async_generator()]]

    got: list[int] = []

    def work() -> None:
        got.extend(asyncio.run(all_of_it()))

    rows = body(work, recorder)
    names = {row.number: row.name for row in rows}
    assert got == [2, 2, 3, 1, 2]
    assert [(row.name, names.get(row.parent, "")) for row in rows] == [
        ("block", ""), ("coroutine", "block"), ("plain", "coroutine"), ("generator", "block"), ("plain", "generator"),
        ("plain", "generator"), ("async generator", "block"), ("coroutine", "async generator"), ("plain", "coroutine"),
    ]  # fmt: skip
    assert plain.__name__ == "plain"


def test_spans_of_concurrent_coroutines_do_not_mix(recorder: Recorder) -> None:
    async def tool(name: str) -> None:
        async with span(name):
            await asyncio.sleep(0)
            async with span(f"{name}'s call"):
                await asyncio.sleep(0)

    async def both() -> None:
        await asyncio.gather(tool("a"), tool("b"))

    rows = body(lambda: asyncio.run(both()), recorder)
    names = {row.number: row.name for row in rows}
    assert {(row.name, names.get(row.parent, "")) for row in rows} == {
        ("a", ""), ("b", ""), ("a's call", "a"), ("b's call", "b")
    }  # fmt: skip


def test_a_generator_that_is_left_in_the_middle_spoils_no_later_span(recorder: Recorder) -> None:
    kept: list[Any] = []

    @span("pages")
    def pages() -> Iterator[int]:
        yield from range(10)

    def work() -> None:
        found = pages()
        next(found)
        with span("while it is open"):
            found.close()
        with span("after it"):
            pass
        kept.append(pages())
        next(kept[-1])

    first = {row.name: row.parent for row in body(work, recorder)}
    assert first == {"pages": 0, "while it is open": 1, "after it": 0}
    assert {row.name: row.parent for row in body(lambda: span("next task")(int)(), recorder)} == {"next task": 0}
    kept[-1].close()


def test_a_decorated_function_may_call_itself(recorder: Recorder) -> None:
    @span("down")
    def down(n: int) -> None:
        if n:
            down(n - 1)

    assert [(row.number, row.parent) for row in body(lambda: down(2), recorder)] == [(1, 0), (2, 1), (3, 2)]


def test_one_span_entered_twice_counts_once(recorder: Recorder) -> None:
    def work() -> None:
        same = span("same")
        with same, same:
            pass
        with same:
            pass

    assert [row.number for row in body(work, recorder)] == [1, 2]


def test_attributes_are_kept_only_when_asked_for(recorder: Recorder) -> None:
    def work() -> None:
        with span("call", customer="anna") as s:
            s.set(rows=17, password="hunter2", status="odd")

    assert body(work, recorder)[0].attributes == ""
    content.use(span_data=True)
    assert body(work, recorder)[0].attributes == (
        '{"customer":"anna","rows":17,"password":"[redacted]","status":"odd"}'
    )


class Broken:
    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class BrokenError(Exception):
    __str__ = Broken.__str__


def test_users_broken_objects_do_no_harm(recorder: Recorder) -> None:
    content.use(span_data=True)

    def work() -> None:
        with span("s", what=Broken()) as s:
            s.set(api=Broken())
            s.fail(BrokenError())
        with span(Broken()):  # type: ignore[arg-type]
            pass

    (row,) = body(work, recorder)
    assert row.message == "<unprintable: RuntimeError>"
    assert "repr raised RuntimeError" in row.attributes
    assert recorder.attempts[0].state == State.SUCCESS
    assert recorder.caught == {"span.set: RuntimeError": 1, "span: RuntimeError": 1}


def test_a_name_that_is_too_long_is_cut_and_an_excluded_task_says_nothing(recorder: Recorder) -> None:
    content.use(span_data=True, tasks=["billing.*"])

    def work() -> None:
        with span("n" * 200, card="4111111111111111"):
            raise ValueError("the card of anna")

    recorder.run(work, name="billing.charge")
    (row,) = recorder.read()["spans"]
    assert row.name == "n" * 99 + "…"
    assert (row.failed, row.exception, row.message, row.attributes) == (1, "ValueError", "", "")
    assert (recorder.attempts[0].message, recorder.attempts[0].traceback) == ("", "")


def test_a_name_carries_no_secret(recorder: Recorder) -> None:
    recorder.run(lambda: span("GET https://anna:hunter2@shop", kind="token=abc")(int)())
    (row,) = recorder.read()["spans"]
    assert (row.name, row.kind) == ("GET https://[redacted]@shop", "token=[redacted]")


def test_spans_outside_tasks_belong_to_nobody(recorder: Recorder) -> None:
    with span("outside"), span("within"):
        pass
    rows = sorted(recorder.read()["spans"], key=lambda row: row.number)
    assert [(row.name, row.id, row.uid, row.run) for row in rows] == [
        ("outside", b"", b"", b""), ("within", b"", b"", b"")
    ]  # fmt: skip
    assert rows[1].parent == rows[0].number


def test_without_a_monitor_nothing_is_recorded(recorder: Recorder) -> None:
    process.place.start_agent = None
    with span("nothing") as s:
        s.set(status=200)
        s.fail("really")
    assert span("nothing")(lambda: 3)() == 3
    assert process.me.writer is None


def test_details_leave_half_of_the_ring_to_attempts(recorder: Recorder) -> None:
    def work() -> None:
        for _ in range(20_000):
            with span("again"):
                pass

    recorder.run(work)
    found = recorder.read()
    assert recorder.attempts[0].state == State.SUCCESS
    assert len(found["spans"]) + recorder.losses["details_left_out"] == 20_000
    assert "ring_full" not in recorder.losses


def test_a_thread_with_the_context_of_an_open_span_belongs_to_its_task(recorder: Recorder) -> None:
    def tool(name: str) -> None:
        with span(name):
            measure("tokens", 7)

    async def work() -> None:
        with span("plan"):
            await asyncio.gather(*(asyncio.to_thread(tool, f"tool {n}") for n in range(8)))

    def alone() -> None:
        thread = threading.Thread(target=tool, args=["alone"])
        thread.start()
        thread.join()

    recorder.run(lambda: asyncio.run(work()))
    recorder.run(alone)

    found, (task, _) = recorder.read(), recorder.attempts
    rows = {row.name: row for row in found["spans"]}
    uid, plan = task.uid, rows["plan"].number
    assert {(rows[f"tool {n}"].uid, rows[f"tool {n}"].parent) for n in range(8)} == {(uid, plan)}
    assert len({row.number for row in rows.values() if row.uid == uid}) == 9
    assert (rows["alone"].uid, rows["alone"].parent) == (b"", 0), "no thread can know who started it"
    assert sorted(row.uid for row in found["measures"]) == sorted([b"", *[uid] * 8])


def test_a_thread_that_outlives_its_task_belongs_to_nobody(recorder: Recorder) -> None:
    go_on = threading.Event()

    def late() -> None:
        go_on.wait()
        with span("late"):
            pass

    def work() -> threading.Thread:
        with span("early"):
            thread = threading.Thread(target=contextvars.copy_context().run, args=[late])
            thread.start()
        return thread

    threads: list[threading.Thread] = []
    recorder.run(lambda: threads.append(work()))
    go_on.set()
    threads[0].join()
    rows = {row.name: row.uid for row in recorder.read()["spans"]}
    assert rows == {"early": recorder.attempts[0].uid, "late": b""}
