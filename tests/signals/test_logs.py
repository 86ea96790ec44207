"""Log records of tasks: which are kept, what is kept of them, and how many at most."""

from __future__ import annotations

import contextlib
import contextvars
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from celery import signals
from celery.exceptions import Ignore, Retry
from celery.utils.log import get_task_logger

from celery_monitor import span
from celery_monitor.signals import content, logs, process
from celery_monitor.signals.record import State, pack_id
from tests.signals.recorder import Recorder

LOG = logging.getLogger("shop.orders")


@pytest.fixture(autouse=True)
def attached(recorder: Recorder) -> Iterator[None]:
    """The handler on the root logger, which lets everything through."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.DEBUG)
    logs.use(logging.WARNING, logging.INFO)
    logs.budget.__init__()  # type: ignore[misc]
    logs.attach()
    yield
    root.setLevel(before)


def test_a_warning_is_kept_with_all_that_it_says(recorder: Recorder) -> None:
    def work() -> None:
        LOG.warning("order %d is late", 17, extra={"customer": "anna", "items": [1, 2]})

    task_id = recorder.run(work, name="shop.ship")
    (row,) = recorder.read()["logs"]
    assert (row.level, row.logger, row.message) == (logging.WARNING, "shop.orders", "order 17 is late")
    assert row.extra == '{"customer":"anna","items":[1,2]}'
    assert (row.id, row.uid, row.task, row.worker) == (
        pack_id(task_id), recorder.attempts[0].uid, "shop.ship", "h@here"
    )  # fmt: skip
    assert recorder.attempts[0].started_us <= row.at_us + 1000


def test_a_logged_exception_is_kept_with_its_traceback(recorder: Recorder) -> None:
    def work() -> None:
        try:
            raise LookupError("token=abc123")
        except LookupError:
            LOG.exception("failed")

    recorder.run(work)
    (row,) = recorder.read()["logs"]
    assert row.message == "failed"
    assert "in work" in row.exception
    assert row.exception.endswith("LookupError: token=[redacted]")


@pytest.mark.parametrize(
    ("error", "kept"), [(None, 0), (Ignore(), 0), (ValueError("no"), 2), (Retry("later"), 2), (SystemExit(), 2)]
)
def test_lesser_records_are_kept_when_the_attempt_ends_badly(
    recorder: Recorder, error: BaseException | None, kept: int
) -> None:
    def work() -> None:
        LOG.debug("too little")
        LOG.info("step %d", 1)
        LOG.info("step %d", 2)
        if error is not None:
            raise error

    with contextlib.suppress(SystemExit):
        recorder.run(work)
    assert [row.message for row in recorder.read()["logs"]] == ["step 1", "step 2"][:kept]


def test_the_last_of_many_lesser_records_are_kept(recorder: Recorder) -> None:
    def work() -> None:
        for n in range(1000):
            LOG.info("step %d", n)
        raise ValueError

    recorder.run(work)
    assert [row.message for row in recorder.read()["logs"]] == [f"step {n}" for n in range(950, 1000)]


def test_levels_can_be_set_and_switched_off(recorder: Recorder) -> None:
    def work() -> None:
        LOG.info("info")
        LOG.error("error")

    logs.use(logging.INFO, logging.DEBUG)
    recorder.run(work)
    assert [row.message for row in recorder.read()["logs"]] == ["info", "error"]
    logs.use(logs.OFF, logs.OFF)
    recorder.run(work)
    assert recorder.read()["logs"] == []


def test_an_attempt_keeps_so_many_records_and_bytes_and_counts_the_rest(recorder: Recorder) -> None:
    def many() -> None:
        for n in range(logs.MOST + 50):
            LOG.warning("step %d", n)

    def large() -> None:
        for _ in range(100):
            LOG.warning("x" * 10_000)

    recorder.run(many)
    assert len(recorder.read()["logs"]) == logs.MOST
    assert recorder.losses == {"logs_over_budget": 50}
    recorder.run(large)
    rows = recorder.read()["logs"]
    assert len(rows) * 2000 < logs.MOST_BYTES
    assert recorder.losses == {"logs_over_budget": 50 + 100 - len(rows)}


def test_a_process_writes_so_many_bytes_in_a_second(recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "monotonic", lambda: 5.0)

    def work() -> None:
        for _ in range(25):
            LOG.warning("x" * 2000)

    written = 0
    for _ in range(20):
        recorder.run(work)
        written += len(recorder.read()["logs"])
    assert 2 * logs.RATE // 2200 <= written <= 2 * logs.RATE // 2000
    assert recorder.losses == {"logs_over_budget": 500 - written}
    monkeypatch.setattr(logs, "monotonic", lambda: 6.0)
    recorder.run(work)
    assert len(recorder.read()["logs"]) == 25


def test_what_is_logged_outside_tasks_by_us_or_by_celery_about_attempts_is_not_kept(recorder: Recorder) -> None:
    LOG.error("outside")

    def work() -> None:
        logging.getLogger("celery_monitor").error("ours")
        logging.getLogger("celery_monitor.agent").error("ours")
        raise ValueError("celery logs this one")

    recorder.run(work)
    assert recorder.read()["logs"] == []


def test_excluded_tasks_and_loggers_are_not_kept(recorder: Recorder) -> None:
    content.use(tasks=["billing.*"], loggers=["urllib3"])

    def work() -> None:
        logging.getLogger("urllib3.connectionpool").error("no")
        logging.getLogger("urllib3").error("no")
        logging.getLogger("urllib30").error("yes")

    recorder.run(work, name="billing.charge")
    assert recorder.read()["logs"] == []
    recorder.run(work)
    assert [row.message for row in recorder.read()["logs"]] == ["yes"]


ALONE = logging.getLogger("alone")


class Talks:
    """Logs while its text is made."""

    def __str__(self) -> str:
        ALONE.error("asked for my text by %s", self)
        return "talks"


def test_an_object_that_logs_in_its_own_text_logs_nothing_more(recorder: Recorder) -> None:
    ALONE.propagate, ALONE.handlers = False, [logs.handler]
    recorder.run(lambda: ALONE.error("first: %s", Talks()))
    assert [row.message for row in recorder.read()["logs"]] == ["first: talks"]
    assert recorder.attempts[0].state == State.SUCCESS


def test_a_wrong_format_is_kept_without_its_arguments(recorder: Recorder) -> None:
    raised, logging.raiseExceptions = logging.raiseExceptions, False
    try:
        recorder.run(lambda: LOG.error("%d orders", "many"))
    finally:
        logging.raiseExceptions = raised
    (row,) = recorder.read()["logs"]
    assert row.message == "<not formattable: TypeError> %d orders"


def test_the_task_logger_which_does_not_propagate_is_heard_once(recorder: Recorder) -> None:
    task_logger = logging.getLogger("celery.task")
    for propagate in (False, True):
        task_logger.propagate = propagate
        logs.attach()
        recorder.run(lambda: get_task_logger("shop").warning("from a task logger"))
        assert [row.message for row in recorder.read()["logs"]] == ["from a task logger"]


def test_celerys_set_up_attaches_it_and_a_setup_of_the_users_own_too(recorder: Recorder) -> None:
    logs.disconnect()
    logs.connect()
    assert not signals.setup_logging.receivers
    root, own = logging.getLogger(), logging.getLogger("celery.task")
    assert logs.handler not in root.handlers
    signals.after_setup_logger.send(sender=None, logger=root)
    assert logs.handler in root.handlers
    root.removeHandler(logs.handler)
    for signal in (signals.celeryd_after_setup, signals.worker_process_init):
        signal.send(sender=None)
        signal.send(sender=None)
        assert root.handlers.count(logs.handler) == 1
        root.removeHandler(logs.handler)
    own.removeHandler(logs.handler)


def test_without_a_monitor_nothing_is_recorded(recorder: Recorder) -> None:
    LOG.error("nobody listens")
    assert process.me.writer is None


def test_secrets_in_messages_and_extras_are_not_kept(recorder: Recorder) -> None:
    def work(**extra: Any) -> None:
        LOG.warning("login with password=%s", "hunter2", extra={"api_key": "hunter2", "url": "redis://:hunter2@cache"})

    recorder.run(work)
    (row,) = recorder.read()["logs"]
    assert "hunter2" not in row.message + row.extra


def test_lines_of_a_thread_with_the_context_of_a_span_are_its_tasks(recorder: Recorder) -> None:
    def tool(n: int) -> None:
        LOG.info("begin %d", n)
        LOG.warning("from thread %d", n)

    def work() -> None:
        threads = [threading.Thread(target=tool, args=[9])]  # knows of no task
        with span("plan"):
            threads += [threading.Thread(target=contextvars.copy_context().run, args=[tool, n]) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        raise ValueError("no")

    task_id = recorder.run(work, name="shop.ship")
    rows = recorder.read()["logs"]
    said = [f"{text} {n}" for n in range(4) for text in ("begin", "from thread")]
    assert sorted(row.message for row in rows) == sorted(said)
    assert {(row.id, row.uid, row.task) for row in rows} == {
        (pack_id(task_id), recorder.attempts[0].uid, "shop.ship")
    }  # fmt: skip


def test_a_thread_that_logs_while_another_does_loses_nothing(recorder: Recorder) -> None:
    begun, go_on = threading.Event(), threading.Event()
    bare = logging.getLogger("concurrent")
    bare.propagate = False  # other handlers have a lock, in which the slow one would hold up the other
    logs.attach(bare)

    class Slow:
        def __str__(self) -> str:
            begun.set()
            go_on.wait(30)
            return "slow"

    def work() -> None:
        with span("plan"):
            thread = threading.Thread(target=contextvars.copy_context().run, args=[bare.warning, "%s", Slow()])
            thread.start()
            begun.wait(30)
            bare.warning("meanwhile")
            go_on.set()
            thread.join()

    recorder.run(work)
    assert sorted(row.message for row in recorder.read()["logs"]) == ["meanwhile", "slow"]


def test_a_thread_that_outlives_its_task_or_is_of_an_excluded_one_leaves_no_lines(recorder: Recorder) -> None:
    content.use(tasks=["private.*"])
    go_on, threads = threading.Event(), []

    def late() -> None:
        go_on.wait(30)
        LOG.error("too late")

    def work(late: Any) -> None:
        with span("early"):
            threads.append(threading.Thread(target=contextvars.copy_context().run, args=[late]))
            threads[-1].start()

    def private() -> None:
        work(lambda: LOG.error("anna"))
        threads[-1].join()

    recorder.run(work, late)
    recorder.run(private, name="private.look_up")
    go_on.set()
    for thread in threads:
        thread.join()
    assert recorder.read()["logs"] == []
