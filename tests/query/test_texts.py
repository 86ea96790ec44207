"""JSON recorded as text."""

from __future__ import annotations

import doctest

from celery_monitor.query import texts


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(texts).failed == 0


def test_what_is_nested_too_deep_stays_text() -> None:
    deep = "[" * 200_000
    assert texts.parsed(deep) == deep
