"""Behaviour of the exceptions."""

from __future__ import annotations

import inspect
import pickle

from celery_monitor import errors


def _classes() -> list[type[BaseException]]:
    return [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]


def test_every_error_is_a_monitor_error_and_says_when_it_is_raised() -> None:
    classes = _classes()

    assert len(classes) >= 7
    for cls in classes:
        assert issubclass(cls, errors.MonitorError)
        assert cls.__doc__


def test_whoever_catches_a_store_error_catches_all_that_a_store_can_raise() -> None:
    kinds = (errors.StoreUnreachable, errors.StoreRefused, errors.StoreTooNew)

    assert all(issubclass(kind, errors.StoreError) for kind in kinds)
    assert not issubclass(errors.ConfigurationError, errors.StoreError)


def test_a_bad_request_keeps_code_and_message_over_a_process_boundary() -> None:
    error = pickle.loads(pickle.dumps(errors.BadRequest("bad_window", "window: '5x' is no duration")))

    assert (error.code, error.message) == ("bad_window", "window: '5x' is no duration")
    assert str(error) == "window: '5x' is no duration"
