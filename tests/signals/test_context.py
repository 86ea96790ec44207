"""`workflow`, `label` and `new_run`: what they name, label and continue, in tasks, outside of them, and eagerly."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery, chain, chord, group, signals
from celery.app.trace import build_tracer

from celery_monitor import label, new_run, workflow
from celery_monitor.details import Labelled
from celery_monitor.signals import attempts, context, guard, header, labels, publishes
from celery_monitor.signals.record import fixed_id, pack_id, unpack_id
from tests.signals.apart import apart
from tests.signals.recorder import Recorder, recording

WEEK_US = 7 * 86_400_000_000


def nothing(*_: Any) -> None:
    """Do nothing, as a task."""


def time_us() -> int:
    """Return the time."""
    return time.time_ns() // 1000


def run_of(task_id: str) -> bytes:
    """Return the run of a task that nobody published."""
    return fixed_id(pack_id(task_id))


class Published:
    """The headers of messages as they went out."""

    def __init__(self) -> None:
        self.headers: list[dict[str, Any]] = []
        app: Any = Celery("context", broker="memory://", backend=None, set_as_current=False)
        self.child = app.task(nothing, name="child", shared=False, typing=False)
        self.other = app.task(nothing, name="work", shared=False, typing=False)

    def note(self, headers: dict[str, Any], **_: Any) -> None:
        self.headers.append(dict(headers))

    @property
    def last(self) -> header.Header:
        """The last message's header."""
        found = header.decode(self.headers[-1][header.NAME])
        assert found is not None
        return found

    def send(self, **options: Any) -> header.Header:
        """Publish a message and return its header."""
        self.child.apply_async(**options)
        return self.last


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    """Records in this process."""
    with recording() as found:
        publishes.forget()
        yield found
        assert context.active(None) is None, "a block was left open"


@pytest.fixture
def sent(recorder: Recorder) -> Iterator[Published]:
    """What was published."""
    found = Published()
    signals.after_task_publish.connect(found.note, weak=False, dispatch_uid="context")
    yield found
    signals.after_task_publish.disconnect(dispatch_uid="context")


def within(recorder: Recorder, body: Callable[[], Any], name: str = "work") -> tuple[str, list[Labelled]]:
    """Run a body as a task; return its id and the rows of labels that it left."""
    recorder.read()
    failures: list[BaseException] = []

    def task(*_: Any) -> None:
        try:
            body()
        except BaseException as error:
            failures.append(error)
            raise

    task_id = recorder.run(task, name=name)
    assert not failures, failures
    return task_id, recorder.read().get("labels", [])


def in_message(text: str, body: Callable[[], Any], name: str = "work", task_id: str = "the-task", **about: Any) -> None:
    """Run a body as an attempt whose message carried this header."""
    app: Any = Celery("message", broker="memory://", backend=None, set_as_current=False)
    failures: list[BaseException] = []

    def run(*_: Any) -> None:
        try:
            body()
        except BaseException as error:
            failures.append(error)
            raise

    task = app.task(run, name=name, ignore_result=True, shared=False)
    request = {"id": task_id, "delivery_info": {"routing_key": "q"}, "is_eager": False, header.NAME: text, **about}
    build_tracer(name, task, app=app)(task_id, [], {}, request)
    assert not failures, failures


def test_everything_published_inside_has_one_run_a_name_and_labels(recorder: Recorder, sent: Published) -> None:
    with workflow("daily_report", description="all shops", user="u1", page=2) as w:
        first = sent.send()
        group(sent.child.si(), sent.child.si()).apply_async()
    outside = sent.send()
    inside = [header.decode(one[header.NAME]) for one in sent.headers[:-1]]
    assert {one.run for one in inside if one} == {first.run}
    assert unpack_id(first.run) == w.run_id
    assert (first.workflow, labels.split(first.labels)) == ("daily_report", ({"user": "u1", "page": "2"}, {}))
    assert outside.run != first.run
    assert (outside.workflow, outside.labels) == ("", "")
    (row,) = recorder.read()["labels"]
    assert row[:-1] == (b"", first.run, "page=2&user=u1", "daily_report", "all shops")


def test_a_workflow_in_which_nothing_is_published_leaves_nothing(recorder: Recorder) -> None:
    with workflow("nothing"):
        pass
    assert recorder.read().get("labels", []) == []


def test_each_entry_is_a_run_of_its_own_and_each_call_of_a_decorated_function(
    recorder: Recorder, sent: Published
) -> None:
    @workflow("decorated", user="u1")
    def publish() -> str:
        """Publish."""
        sent.send()
        return "done"

    @workflow("decorated")
    async def publish_async() -> str:
        sent.send()
        return "done"

    again = workflow("again")
    with again:
        sent.send()
    with again:
        sent.send()
    assert (publish(), publish(), asyncio.run(publish_async())) == ("done", "done", "done")
    assert publish.__doc__ == "Publish."
    found = [header.decode(one[header.NAME]) for one in sent.headers]
    assert [one.workflow for one in found if one] == ["again", "again", "decorated", "decorated", "decorated"]
    assert len({one.run for one in found if one}) == 5


def test_a_nested_workflow_inherits_labels_and_its_own_win(recorder: Recorder, sent: Published) -> None:
    with workflow("outer", user="u1", size="L") as outer:
        with workflow("inner", size="S") as inner:
            nested = sent.send()
        after = sent.send()
    assert unpack_id(nested.run) == inner.run_id != outer.run_id == unpack_id(after.run)
    assert labels.split(nested.labels)[0] == {"user": "u1", "size": "S"}
    assert labels.split(after.labels)[0] == {"user": "u1", "size": "L"}


def test_workflows_of_asyncio_tasks_and_of_threads_do_not_mix(recorder: Recorder, sent: Published) -> None:
    async def one(name: str, turn: asyncio.Event, other: asyncio.Event) -> str:
        async with workflow(name):
            other.set()
            await turn.wait()
            return sent.send().workflow

    async def both() -> list[str]:
        a, b = asyncio.Event(), asyncio.Event()
        return list(await asyncio.gather(one("a", a, b), one("b", b, a)))

    assert asyncio.run(both()) == ["a", "b"]
    seen: list[str] = []
    with workflow("here"):
        thread = threading.Thread(target=lambda: seen.append(sent.send().workflow))
        thread.start()
        thread.join()
    assert seen == [""]


def test_a_label_outside_tasks_is_added_to_the_open_workflow(recorder: Recorder, sent: Published) -> None:
    label("lost", "nowhere to go")
    with workflow("w", user="u1"):
        before = sent.send()
        label("session", "s1")
        label(user="u2", tenant=7)
        after = sent.send()
    assert before.run == after.run
    assert labels.split(after.labels)[0] == {"session": "s1", "tenant": "7", "user": "u2"}
    rows = recorder.read()["labels"]
    assert [row.labels for row in rows] == ["user=u1", "session=s1&tenant=7&user=u2"]
    assert {row.run for row in rows} == {before.run}


def test_a_label_in_a_task_is_the_executions_and_travels_on_to_its_children(
    recorder: Recorder, sent: Published
) -> None:
    def body() -> None:
        sent.send()
        label("session", "s1")
        label("session", "s1")
        sent.send(task_id="a-child")

    task_id, rows = within(recorder, body)
    assert [row[:3] for row in rows] == [
        (pack_id(task_id), b"", "session=s1"),
        (pack_id("a-child"), run_of(task_id), "session=s1"),
    ]
    assert labels.split(sent.last.labels) == ({}, {"session": "s1"})
    first = header.decode(sent.headers[0][header.NAME])
    assert first is not None
    assert (first.labels, first.run) == ("", sent.last.run)


def test_labels_reach_what_a_child_publishes_in_another_process(recorder: Recorder, sent: Published) -> None:
    """The child knows them from its header alone: those of the run, and those beyond."""
    with workflow("w", user="u1"):
        parent = sent.send()
    text = header.encode(time_us(), parent.run, header.tail("w", "user=u1", "session=s1"))
    recorder.read()
    found: list[header.Header] = []
    in_message(text, lambda: found.append(sent.send(task_id="grandchild")))
    assert (found[0].run, found[0].workflow) == (parent.run, "w")
    assert labels.split(found[0].labels) == ({"user": "u1"}, {"session": "s1"})
    (row,) = recorder.read()["labels"]
    assert row[:3] == (pack_id("grandchild"), parent.run, "session=s1")


def test_a_workflow_in_a_task_begins_a_run_with_the_attempts_labels(recorder: Recorder, sent: Published) -> None:
    seen: list[header.Header] = []

    def body() -> None:
        label("session", "s1")
        with workflow("part", step="x"):
            seen.append(sent.send())
        seen.append(sent.send())

    task_id, rows = within(recorder, body)
    inner, after = seen
    assert (inner.workflow, labels.split(inner.labels)[0]) == ("part", {"session": "s1", "step": "x"})
    assert after.run == run_of(task_id) != inner.run
    assert [row[:4] for row in rows if row.run == inner.run] == [(b"", inner.run, "session=s1&step=x", "part")]


def test_a_publish_of_the_attempts_own_id_stays_in_its_run(recorder: Recorder, sent: Published) -> None:
    """A retry, or a task that is replaced, is the same execution."""
    seen: list[header.Header] = []
    text = header.encode(time_us(), b"r" * 16, header.tail("w", "user=u1"))

    def body() -> None:
        with workflow("other"):
            seen.append(sent.send(task_id="mine"))

    in_message(text, body, task_id="mine")
    assert (seen[0].run, seen[0].workflow, seen[0].labels) == (b"r" * 16, "w", "user=u1")
    in_message(header.encode(time_us() - 2 * WEEK_US, b"r" * 16, ""), body, task_id="mine")
    assert seen[1].run == b"r" * 16, "however old the run is"


def test_a_block_counts_only_in_the_attempt_it_was_opened_in(recorder: Recorder, sent: Published) -> None:
    """A task that is run eagerly inside a workflow belongs to it, and what it publishes follows from the task."""
    with workflow("around", user="u1"):
        seen: list[header.Header] = []
        sent.child.run = lambda *_: seen.append(sent.send())
        sent.child.apply()
        expected = sent.send()
        recorder.read()
    assert seen[0].run == expected.run
    assert (seen[0].workflow, seen[0].labels) == ("around", "user=u1")
    assert recorder.attempts[-1].run == expected.run
    assert recorder.attempts[-1].workflow == "around"
    assert recorder.attempts[-1].wait_us == -1


def test_a_task_that_reschedules_itself_begins_a_run_that_continues_its_own(
    recorder: Recorder, sent: Published
) -> None:
    text = header.encode(time_us(), b"r" * 16, header.tail("poller", "tenant=a"))
    in_message(text, lambda: sent.other.apply_async(countdown=60, task_id="next"), name="work")
    (row,) = recorder.read()["labels"]
    assert sent.last.run == row.run != b"r" * 16
    assert (sent.last.workflow, sent.last.labels) == ("poller", "tenant=a")
    assert labels.read(row.labels) == {"tenant": "a", "continues": unpack_id(b"r" * 16)}
    assert row.workflow == "poller"


def test_an_unnamed_task_that_reschedules_itself_stays_unnamed(recorder: Recorder, sent: Published) -> None:
    text = header.encode(time_us(), b"r" * 16, header.tail("work (chain)"))
    in_message(text, lambda: sent.other.apply_async(countdown=60, task_id="next"), name="work")
    assert sent.last.workflow == ""
    assert sent.last.run == run_of("next")


def test_a_run_of_a_week_takes_no_new_members_and_every_process_agrees_where_they_go(
    recorder: Recorder, sent: Published
) -> None:
    seen: list[header.Header] = []
    texts: list[str] = []
    now_us = time_us()
    for age_us in (WEEK_US // 2, 2 * WEEK_US, 2 * WEEK_US):
        text = header.encode(now_us, b"r" * 16, header.tail("w", "user=u1"), now_us - age_us)
        in_message(text, lambda: seen.append(sent.send()))
        texts.append(sent.headers[-1][header.NAME])
    young, old, as_old = seen
    assert young.run == b"r" * 16
    assert header.begun_us(texts[0]) <= now_us - WEEK_US // 2 + 2**34
    assert old.run == as_old.run == context.continuation(b"r" * 16, 0)
    assert header.begun_us(texts[1]) >= now_us - 2**34, "the continuation has a week of its own"
    (row,) = [one for one in recorder.read()["labels"] if one.run == old.run]
    assert labels.read(row.labels) == {"user": "u1", "continues": unpack_id(b"r" * 16)}


def test_a_run_that_grows_without_end_is_closed_at_its_bound(
    recorder: Recorder, sent: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishes, "CLOSED_AT", 3)
    with workflow("loop", user="u1"):
        runs = [sent.send().run for _ in range(8)]
    assert len(set(runs[:3])) == 1
    assert len(set(runs)) == 3
    assert runs == sorted(runs, key=runs.index), "a run that is closed stays closed"
    rows = {row.run: labels.read(row.labels) for row in recorder.read()["labels"]}
    assert set(rows) == set(runs)
    assert {one.get("continues") for one in rows.values()} == {None, unpack_id(runs[0])}


def test_a_new_run_by_hand_continues_the_present_one(recorder: Recorder, sent: Published) -> None:
    assert new_run() == ""
    with workflow("w", user="u1") as w:
        sent.send()
        second = new_run()
        assert unpack_id(sent.send().run) == second != w.run_id
    rows = {unpack_id(row.run): labels.read(row.labels) for row in recorder.read()["labels"]}
    assert rows == {w.run_id: {"user": "u1"}, second: {"user": "u1", "continues": w.run_id}}


def test_a_new_run_in_a_task_ends_with_its_attempt(recorder: Recorder, sent: Published) -> None:
    seen: list[str] = []

    def body() -> None:
        seen.extend((new_run(), unpack_id(sent.send().run)))

    for _ in range(3):
        task_id, rows = within(recorder, body)
        assert labels.read(rows[0].labels) == {"continues": unpack_id(run_of(task_id))}
    assert seen[0::2] == seen[1::2]
    assert len(set(seen)) == 3
    task_id, _ = within(recorder, lambda: seen.append(unpack_id(sent.send().run)))
    assert seen[-1] == unpack_id(run_of(task_id))


def test_mistakes_raise_nothing_and_leave_a_run_without_them(recorder: Recorder, sent: Published) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no text")

    with workflow("x" * 500, description="d" * 5000, **{"no key": 1}, fine=Broken(), kept=1):
        label("bad key", 1)
        label(None)
        label(Broken(), 1)  # type: ignore[arg-type]
        found = sent.send()
    assert (len(found.workflow), found.labels) == (100, "kept=1")
    (row,) = recorder.read()["labels"]
    assert len(row.description) == 1000
    with workflow(Broken()):  # type: ignore[arg-type]
        sent.send()
    assert guard.caught["_enter: RuntimeError"]


def test_without_a_monitor_they_do_nothing() -> None:
    with workflow("w", user="u1") as w:
        label("session", "s1")
        assert new_run() != w.run_id
    label("session", "s1")
    assert attempts.current() is None


def test_an_exception_passes_through_and_closes_the_workflow(recorder: Recorder, sent: Published) -> None:
    with pytest.raises(LookupError), workflow("w"):
        raise LookupError
    assert sent.send().workflow == ""


def disabled() -> list[object]:
    """Publish and label in a process whose Monitor is switched off; return the headers that messages had."""
    from celery_monitor import Monitor

    app: Any = Celery("off", broker="memory://", backend=None)
    app.conf.monitor_enabled = False
    Monitor(app)
    task = app.task(nothing, name="child", typing=False)
    seen: list[object] = []
    signals.after_task_publish.connect(lambda headers, **_: seen.append(headers.get(header.NAME)), weak=False)
    with workflow("w", user="u1"):
        label("session", "s1")
        task.apply_async()
    task.apply()
    return [*seen, context.process.me.writer]


def test_with_a_monitor_that_is_disabled_nothing_is_stamped_or_recorded() -> None:
    assert apart(disabled) == [None, None]


def names(published: Published, canvas: Any) -> set[tuple[bytes, str]]:
    """Publish a canvas; return the runs of its messages and the names of their workflows."""
    published.headers.clear()
    canvas.apply_async()
    found = [header.decode(headers[header.NAME]) for headers in published.headers]
    return {(each.run, each.workflow) for each in found if each}


@pytest.mark.parametrize(
    ("canvas", "name"),
    [
        (lambda a, b: chain(a, b), "child (chain)"),
        (lambda a, b: group(a, b, a), "child (group)"),
        (lambda a, b: group(chain(b, a), a), "work (group)"),
        (lambda a, b: chord([a, b], b), "child (chord)"),
        (lambda a, b: chord([chain(b, a), a], a), "work (chord)"),
        (lambda a, b: chord([chord([a, b], b), b], b), "child (chord)"),
        (lambda a, b: chain(group(a, b), group(b, b)), "child (chord)"),
        (lambda a, b: chain(a, group(b, b), b), "child (chain)"),
    ],
    ids=["chain", "group", "group of chains", "chord", "chord of chains", "nested chord", "chain of groups", "mixed"],
)
def test_an_unnamed_run_has_one_name_after_the_first_task_and_the_shape(
    recorder: Recorder, sent: Published, canvas: Callable[[Any, Any], Any], name: str
) -> None:
    sent.child.app.conf.result_backend = "cache+memory://"  # counts a chord's header, as Redis does
    found = names(sent, canvas(sent.child.si(), sent.other.si()))
    assert [workflow for _, workflow in found] == [name]


def test_a_chord_that_is_polled_is_named_after_its_body_in_all_its_messages(
    recorder: Recorder, sent: Published, tmp_path: Path
) -> None:
    sent.child.app.conf.result_backend = f"file://{tmp_path}"
    found = names(sent, chord([sent.child.si(), chain(sent.child.si(), sent.child.si())], sent.other.si()))
    assert [headers["task"] for headers in sent.headers] == ["celery.chord_unlock", "child", "child"]
    assert [workflow for _, workflow in found] == ["work (chord)"]


def test_names_of_first_tasks_are_bounded(recorder: Recorder, sent: Published) -> None:
    for _ in range(publishes._RUNS + 10):
        group(sent.child.si(), sent.other.si()).apply_async()
    assert len(publishes._first) <= publishes._RUNS


def test_a_workflow_with_a_run_id_goes_on_with_that_run(recorder: Recorder, sent: Published) -> None:
    with workflow("expense", user="u1") as first:
        sent.send()

    def approved() -> None:
        label("session", "s9")
        with workflow("expense", run_id=first.run_id, step="paid") as again:
            sent.send()
        assert again.run_id == first.run_id

    recorder.read()
    _, told = within(recorder, approved)
    known = sent.last
    assert (known.run, known.workflow, known.labels) == (pack_id(first.run_id), "expense", "step=paid")
    (row,) = (row for row in told if not row.id)
    assert (row.run, row.labels, row.workflow) == (pack_id(first.run_id), "step=paid", "expense")

    @workflow("expense", run_id=first.run_id)
    def later() -> bytes:
        return sent.send().run

    assert later() == pack_id(first.run_id)
    assert sent.send().run != pack_id(first.run_id)


@pytest.mark.parametrize("run_id", ["", 17, b"short"])
def test_a_wrong_run_id_is_noted_and_the_workflow_is_a_run_of_its_own(
    recorder: Recorder, sent: Published, run_id: Any
) -> None:
    with workflow("expense", run_id=run_id) as w:
        known = sent.send()
    assert (known.workflow, unpack_id(known.run)) == ("expense", w.run_id)
    assert recorder.caught == {"workflow without a run id: ValueError": 1}
