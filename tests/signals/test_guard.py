"""Nothing of ours is ever raised into a task: each handler is made to fail, and real tasks run on."""

from __future__ import annotations

import logging
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery, signals
from celery.app.trace import build_tracer

from celery_monitor.signals import attempts, facts, guard, handlers, process, publishes
from celery_monitor.signals.record import Kind
from celery_monitor.signals.writer import Writer
from tests.signals.apart import apart

WORK = {
    "before_task_publish": (publishes, "stamp"),
    "after_task_publish": (publishes, "record"),
    "task_prerun": (attempts, "begin"),
    "task_postrun": (attempts, "end"),
    "task_failure": (facts, "failed"),
    "task_retry": (facts, "retried"),
    "task_revoked": (facts, "revoked"),
    "task_unknown": (facts, "unknown"),
    "task_rejected": (facts, "rejected"),
    "task_internal_error": (facts, "not_stored"),
    "worker_before_create_process": (process, "before_fork_of_child"),
    "worker_process_init": (process, "become_child"),
    "worker_process_shutdown": (Writer, "settle"),
}


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


def broken(*_: Any, **__: Any) -> None:
    raise RuntimeError("on purpose")


def make_each_fail() -> dict[str, dict[str, Any]]:
    app = Celery("app", broker="memory://", backend=None)

    @app.task(name="child")
    def child() -> None: ...

    @app.task(name="parent")
    def parent() -> int:
        child.delay()
        return 42

    @app.task(name="failing")
    def failing() -> None:
        raise ValueError("the user's own")

    handlers.connect()
    process.put(Kind.PUBLISH, b"x")
    log = Lines()
    guard.logger.addHandler(log)
    found = {}
    for name, (module, attribute) in WORK.items():
        guard.caught.clear()
        log.lines.clear()
        working = getattr(module, attribute)
        setattr(module, attribute, broken)
        try:
            raised = [send(name, parent) for _ in range(2)]
            answers = [run(parent), run(parent), run(failing)]
        finally:
            setattr(module, attribute, working)
        found[name] = {"caught": sum(guard.caught.values()), "kinds": len(guard.caught), "lines": log.lines[:],
                       "answers": answers, "raised": raised}  # fmt: skip
    return found


def run(task: Any) -> Any:
    """Run a task as a pool child does; return its state and result."""
    request = {"id": f"id of {task.name}", "delivery_info": {}, "hostname": "h"}
    result = build_tracer(task.name, task, app=task.app)(request["id"], (), {}, request)
    info = result.info
    return (info.state, repr(info.retval)) if info is not None else ("SUCCESS", result.retval)


def send(name: str, task: Any) -> list[str]:
    """Send a signal as Celery does; return what its receivers raised."""
    request = SimpleNamespace(id="i", delivery_info={}, headers={})
    about: dict[str, Any] = {
        "task_failure": {"task_id": "i", "exception": ValueError(), "einfo": None},
        "task_retry": {"request": request, "reason": None},
        "task_revoked": {"request": request, "terminated": True, "expired": False},
        "task_unknown": {"message": request, "exc": KeyError(), "name": "n", "id": "i"},
        "task_rejected": {"message": request, "exc": None},
        "task_internal_error": {"task_id": "i", "exception": ValueError()},
        "worker_before_create_process": {},
        "worker_process_init": {},
        "worker_process_shutdown": {},
    }
    if name not in about:
        return []
    answers = getattr(signals, name).send(sender=task, **about[name])
    return [repr(answer) for _, answer in answers if isinstance(answer, Exception)]


@pytest.fixture(scope="module")
def outcome() -> dict[str, dict[str, Any]]:
    return apart(make_each_fail)


def test_every_receiver_is_made_to_fail() -> None:
    assert set(WORK) == set(handlers.RECEIVERS)


@pytest.mark.parametrize("name", WORK)
def test_a_handler_that_fails_changes_no_result_and_is_counted_and_logged_once(
    outcome: dict[str, dict[str, Any]], name: str
) -> None:
    found = outcome[name]
    assert found["answers"] == [("SUCCESS", 42), ("SUCCESS", 42), ("FAILURE", 'ValueError("the user\'s own")')]
    assert found["raised"] == [[], []]
    assert found["caught"] >= 2
    assert found["kinds"] == 1
    assert len(found["lines"]) == 1
    assert f"on_{name}" in found["lines"][0]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_exception_of_ours_passes(error: type[BaseException]) -> None:
    @guard.guarded
    def handler(**_: Any) -> None:
        raise error

    with pytest.raises(error):
        handler()


class UnspeakableError(Exception):
    """Its text cannot be made."""

    def __str__(self) -> str:
        raise RuntimeError("hunter2")

    __repr__ = __str__


def fails_unspeakably() -> None:
    raise UnspeakableError


def fails_with_a_secret() -> None:
    password = "hunter2"
    try:
        raise KeyError(f"password={password}")
    except KeyError as cause:
        raise ValueError(f"no login with {{'api_key': '{password}'}}") from cause


@pytest.mark.parametrize(
    ("fail", "says"),
    [
        (fails_with_a_secret, "ValueError: no login with {'api_key': '[redacted]'}"),
        (fails_unspeakably, "UnspeakableError: <unprintable: RuntimeError>"),
    ],
)
def test_the_text_of_an_exception_is_logged_without_secrets_and_may_be_broken(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, fail: Any, says: str
) -> None:
    monkeypatch.setattr(guard, "caught", Counter())

    @guard.guarded
    def handler(**_: Any) -> None:
        fail()

    with caplog.at_level(logging.WARNING, guard.logger.name):
        handler()
        handler()

    assert caplog.text.count("is left out (logged once)") == 1
    assert says in caplog.text
    assert "in handler" in caplog.text, "where it happened is told"
    assert "hunter2" not in caplog.text
