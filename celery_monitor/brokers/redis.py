"""Queues of a Redis broker: a list per priority, the oldest message's age, the hash of the unacknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from celery_monitor.brokers.sample import QueueSample
from celery_monitor.signals.header import published_us

_LUA: Final = Path(__file__).with_name("lua")
_OLDEST: Final = (_LUA / "oldest_header.lua").read_text("utf-8")
_UNACKED: Final = (_LUA / "unacked.lua").read_text("utf-8")

MOST_UNACKED: Final = 1000
"""Entries of the unacknowledged hash to look at; more would hold the broker up for over a millisecond."""

_OURS: Final = "celery_monitor."

Routes = Mapping[tuple[str, str], str]
"""Queue by (exchange, routing key), for queues whose routing key is not their name."""


def sample(channel: Any, queues: Iterable[str], routes: Routes, now_us: int) -> dict[str, QueueSample]:
    """Return a sample per queue, in one round trip.

    Parameters:
        channel: kombu's Redis channel; gives the connection pool, the priorities and the key prefix.
        queues: names; a queue that does not exist is an empty one, in Redis there is no difference.
        routes: see `Routes`.
        now_us: the clock to take ages by.

    Raises:
        redis.RedisError: the broker does not answer, or not as a Redis.
    """
    names = list(queues)
    lists = {name: _lists(channel, name) for name in names}
    depths, heads, unacked = _read(channel, [key for keys in lists.values() for key in keys])
    held = _held(unacked, names, routes)
    note = None if held is not None else f"unacked: over {MOST_UNACKED} in the broker, not looked at one by one"
    out: dict[str, QueueSample] = {}
    at = 0
    for name, keys in lists.items():
        part = slice(at, at + len(keys))
        at += len(keys)
        age = _oldest_s(depths[part], [head[0] for head in heads[part]], now_us)
        taken = None if held is None else held.get(name, 0)
        out[name] = QueueSample(sum(depths[part]), age, taken, note=note, oldest=_oldest(heads[part]))
    return out


def client_of(channel: Any) -> Any:
    """Return a client of our own on kombu's pool: kombu's prefixes the keys of some commands and not of others."""
    return Redis(connection_pool=channel.pool, retry=Retry(NoBackoff(), 0))


def _lists(channel: Any, queue: str) -> list[str]:
    """Return the queue's lists; kombu keeps the least priority under the bare name."""
    prefix = channel.global_keyprefix or ""
    return [f"{prefix}{queue}{channel.sep}{step}" if step else prefix + queue for step in channel.priority_steps]


Head = tuple[str, str, str]
"""Our header, the id and the task of the message that a list gives out next."""


def _read(channel: Any, lists: list[str]) -> tuple[list[int], list[Head], list[Any]]:
    pipe = client_of(channel).pipeline(transaction=False)
    for key in lists:
        pipe.llen(key)
    pipe.eval(_OLDEST, len(lists), *lists)
    pipe.eval(_UNACKED, 1, (channel.global_keyprefix or "") + channel.unacked_key, MOST_UNACKED)
    *depths, told, unacked = pipe.execute()
    texts = [_text(one) for one in told]
    heads = list(zip(texts[::3], texts[1::3], texts[2::3], strict=True))
    # A tick of ours is nobody's backlog; of the few there can be only the next one shows itself.
    return [n - task.startswith(_OURS) for n, (_, _, task) in zip(depths, heads, strict=True)], heads, unacked


def _oldest_s(depths: list[int], headers: list[str], now_us: int) -> float | None:
    """Return the age of the oldest message over all priorities, None when one of them carries no time."""
    times = [published_us(header) for depth, header in zip(depths, headers, strict=True) if depth]
    known = [time for time in times if time is not None]
    if len(known) < len(times):
        return None
    return max(0.0, (now_us - min(known)) / 1e6) if known else 0.0


def _oldest(heads: list[Head]) -> tuple[str, str, int] | None:
    """Return id, task and publish time of the oldest message over all priorities whose header tells its time."""
    known = [
        (time, task_id, task)
        for header, task_id, task in heads
        if (time := published_us(header)) and task_id and not task.startswith(_OURS)
    ]
    return (min(known)[1], min(known)[2], min(known)[0]) if known else None


def _held(reply: list[Any], queues: list[str], routes: Routes) -> dict[str, int] | None:
    """Return unacknowledged messages by queue, None when there were too many to look at."""
    if not reply[0]:
        return None
    held: dict[str, int] = {}
    for exchange, key, n in zip(reply[1::3], reply[2::3], reply[3::3], strict=True):
        names = _text(exchange), _text(key)
        queue = routes.get(names) or names[1]
        if queue in queues:
            held[queue] = held.get(queue, 0) + int(n)
    return held


def _text(raw: bytes | str) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
