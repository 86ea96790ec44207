"""One question to the store, however many ask."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from celery_monitor.web.cache import CAPACITY, Cache


class Question:
    """Counts how often it is asked; waits while told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.may_answer = threading.Event()
        self.may_answer.set()

    def __call__(self) -> int:
        self.asked += 1
        assert self.may_answer.wait(10)
        return self.asked


def run(scenario: object) -> None:
    """Run a coroutine function with a cache whose answers stay fresh for ever."""

    async def main() -> None:
        with ThreadPoolExecutor(2) as executor:
            await scenario(Cache(executor, fresh_s=3600))  # type: ignore[operator]

    asyncio.run(main())


def test_questions_at_the_same_time_are_asked_once() -> None:
    async def scenario(cache: Cache) -> None:
        question = Question()
        question.may_answer.clear()
        asking = [asyncio.create_task(cache.get("k", question)) for _ in range(5)]
        await asyncio.sleep(0)
        question.may_answer.set()
        assert await asyncio.gather(*asking) == [1] * 5

    run(scenario)


def test_an_answer_is_given_again_while_it_is_fresh() -> None:
    async def scenario(cache: Cache) -> None:
        question = Question()
        assert [await cache.get("k", question), await cache.get("k", question)] == [1, 1]
        assert await cache.get("other", question) == 2

    run(scenario)


def test_an_old_answer_is_asked_for_again() -> None:
    async def main() -> None:
        with ThreadPoolExecutor(1) as executor:
            cache, question = Cache(executor, fresh_s=-1), Question()
            assert [await cache.get("k", question), await cache.get("k", question)] == [1, 2]

    asyncio.run(main())


def test_a_failure_is_shared_as_an_answer_is() -> None:
    async def scenario(cache: Cache) -> None:
        asked = []

        def fail() -> None:
            asked.append(1)
            raise ConnectionError("refused")

        for _ in range(3):
            with pytest.raises(ConnectionError, match="refused"):
                await cache.get("k", fail)
        assert len(asked) == 1

    run(scenario)


def test_who_goes_away_does_not_cancel_the_others() -> None:
    async def scenario(cache: Cache) -> None:
        question = Question()
        question.may_answer.clear()
        gone = asyncio.create_task(cache.get("k", question))
        stays = asyncio.create_task(cache.get("k", question))
        await asyncio.sleep(0)
        gone.cancel()
        question.may_answer.set()
        assert await stays == 1

    run(scenario)


def test_answers_remembered_are_bounded() -> None:
    async def scenario(cache: Cache) -> None:
        question = Question()
        for key in range(CAPACITY + 1):
            await cache.get(key, question)
        await cache.get(0, question)
        assert question.asked == CAPACITY + 2

    run(scenario)
