from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import redis

from celery_monitor.cli import tally
from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.cli.tally import Tally
from celery_monitor.model import PUBLISHED, Cell
from celery_monitor.signals.record import State


def cell(**counts: int) -> Cell:
    made = Cell()
    made.counts = {PUBLISHED if name == "published" else State[name.upper()]: n for name, n in counts.items()}
    return made


def test_recorded_counts_every_end_of_a_task_over_its_queues_and_no_machinery() -> None:
    lifetime = {
        ("task", "shop.pay", "payments"): cell(published=9, success=4, retry=2),
        ("task", "shop.pay", "orders"): cell(failure=1),
        ("infra", "celery.chord_unlock"): cell(success=7),
        ("worker", "celery@a"): cell(success=7),
    }
    assert tally.recorded(lifetime) == Counter({"shop.pay": 7})


def test_a_tally_agrees_only_when_every_name_does() -> None:
    assert Tally(Counter(a=2, b=1), Counter(a=2, b=1)).agrees
    assert not Tally(Counter(a=2, b=1), Counter(a=1, b=2)).agrees
    assert not Tally(Counter(a=2), Counter(a=2, b=1)).agrees


def test_nothing_published_is_no_agreement() -> None:
    assert not Tally().agrees


def test_the_table_says_what_is_missing_and_what_is_too_many() -> None:
    lines = list(Tally(Counter({"shop.pay": 5, "shop.mail": 2}), Counter({"shop.pay": 3, "shop.mail": 4})).lines())
    assert lines[0].split() == ["task", "published", "recorded"]
    assert lines[1].split() == ["shop.mail", "2", "4", "2", "too", "many"]
    assert lines[2].split() == ["shop.pay", "5", "3", "2", "missing"]
    assert lines[3].split() == ["all", "7", "7"]


def test_waiting_counts_queues_and_messages_that_workers_hold(redis_url: str, redis_server: EmbeddedServer) -> None:
    with redis.Redis.from_url(redis_server.client_url) as client:
        client.rpush("orders", "a", "b")
        client.hset(tally.UNACKED, "tag", "message with an ETA")
        assert tally.waiting(client, ["orders", "mail"]) == 3


def test_settling_waits_for_the_last_record_and_for_empty_queues() -> None:
    looks = iter(
        [
            (Tally(Counter(a=2), Counter(a=1)), 1),
            (Tally(Counter(a=2), Counter(a=2)), 1),
            (Tally(Counter(a=3), Counter(a=3)), 0),
        ]
    )
    assert tally.settle(lambda: next(looks), seconds=10) == Tally(Counter(a=3), Counter(a=3))


def test_settling_gives_up_when_nothing_moves_any_more() -> None:
    def look() -> tuple[Tally, int]:
        return next(looks)

    def forever() -> Iterator[tuple[Tally, int]]:
        while True:
            yield Tally(Counter(a=2), Counter(a=1)), 0

    looks = forever()
    assert not tally.settle(look, seconds=10, quiet_s=0.3).agrees
