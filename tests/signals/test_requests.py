"""The entry on top of one of Celery's stacks is the one that Celery itself finds, in every thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from celery.utils.threads import _FastLocalStack, _LocalStack

from celery_monitor.signals.requests import top


@pytest.mark.parametrize("kind", [_LocalStack, _FastLocalStack])
def test_the_top_is_what_was_pushed_last_and_not_popped(kind: Any) -> None:
    stack = kind()
    assert top(stack) is None
    for entry in ("outer", "inner"):
        stack.push(entry)
        assert top(stack) == stack.top == entry
    stack.pop()
    assert top(stack) == "outer"
    stack.pop()
    assert top(stack) is None
    stack.push("next")
    assert top(stack) == "next"


@pytest.mark.parametrize("kind", [_LocalStack, _FastLocalStack])
def test_each_thread_has_a_top_of_its_own(kind: Any) -> None:
    stack = kind()
    stack.push("mine")
    assert top(stack) == "mine"
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(top, stack).result() is None
        pool.submit(lambda: stack.push("theirs")).result()
        assert pool.submit(top, stack).result() == "theirs"
    assert top(stack) == "mine"
