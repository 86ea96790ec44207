"""Settings of what content may leave a process: their forms, and what is said of others."""

from __future__ import annotations

from typing import Any

import pytest

from celery_monitor.config import load_settings
from tests.test_config import app, refused


def test_nothing_is_captured_by_default() -> None:
    settings = load_settings(app())
    assert (settings.capture_arguments, settings.capture_results, settings.capture_span_data) == (False, False, "none")
    assert (settings.log_level, settings.log_buffer_level) == ("WARNING", "INFO")
    assert (settings.redact, settings.exclude) == (None, None)


def test_lists_of_texts_are_taken_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERY_MONITOR_REDACT", '{"keys": ["ssn"], "patterns": ["EMP-[0-9]+"]}')
    monkeypatch.setenv("CELERY_MONITOR_EXCLUDE", '{"tasks": ["billing.*"]}')
    settings = load_settings(app())
    assert settings.redact == {"keys": ["ssn"], "patterns": ["EMP-[0-9]+"]}
    assert settings.exclude == {"tasks": ["billing.*"]}


@pytest.mark.parametrize(
    ("given", "accepted"),
    [
        ({"monitor_log_level": "warning"}, "one of DEBUG, INFO, WARNING, ERROR, CRITICAL, OFF"),
        ({"monitor_log_level": 30}, "one of DEBUG"),
        ({"monitor_capture_span_data": True}, "one of none, repr"),
        ({"monitor_redact": ["ssn"]}, "{'keys': ['ssn']"),
        ({"monitor_redact": {"key": ["ssn"]}}, "{'keys': ['ssn']"),
        ({"monitor_redact": {"keys": "ssn"}}, "each a list of texts"),
        ({"monitor_redact": {"patterns": ["("]}}, "the patterns regular expressions"),
        ({"monitor_redact": {"keys": [""]}}, "each a list of texts"),
        ({"monitor_exclude": {"task": ["billing.*"]}}, "{'tasks': ['billing.*']"),
        ({"monitor_exclude": {"labels": [1]}}, "each a list of texts"),
    ],
)
def test_another_form_is_refused_with_the_accepted_one(given: dict[str, Any], accepted: str) -> None:
    message = refused(app(**given))
    assert accepted in message
    assert next(iter(given)) in message
