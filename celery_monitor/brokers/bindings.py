"""Finds the queues that anybody has declared in a Redis broker, by kombu's own sets; a step of the key space a time."""

from __future__ import annotations

from typing import Any, Final

from celery_monitor.brokers import redis

_KEYS_A_STEP: Final = 1000
"""Looked at per sample: about 0.1 ms of the server's time."""
_MEMBERS: Final = 50
"""Of one exchange's queues; others come with other samples."""
MOST: Final = 500
_OURS_NOT: Final = ("celeryev", "pidbox")
"""In the names of what carries events and remote control; those are no queues of tasks."""
_SET: Final = "_kombu.binding."


class Bindings:
    """The queues seen so far, `MOST` at most."""

    def __init__(self) -> None:
        self._cursor = 0
        self.queues: set[str] = set()

    def step(self, channel: Any) -> None:
        """Look at the next keys of the broker's database; after the last the next step begins anew.

        Parameters:
            channel: kombu's Redis channel.

        Raises:
            redis.RedisError: the broker does not answer.
        """
        prefix = channel.global_keyprefix or ""
        client = redis.client_of(channel)
        pattern = _escaped(prefix) + _SET + "*"
        self._cursor, keys = client.scan(self._cursor, pattern, _KEYS_A_STEP, "set")
        wanted = [key for key in keys if not any(word in _text(key) for word in _OURS_NOT)]
        if not wanted or len(self.queues) >= MOST:
            return
        pipe = client.pipeline(transaction=False)
        for key in wanted[:MOST]:
            pipe.srandmember(key, _MEMBERS)
        for members in pipe.execute():
            names = (_text(member).rsplit(channel.sep, 1)[-1] for member in members)
            self.queues.update(name for name in names if not any(word in name for word in _OURS_NOT))


def _escaped(text: str) -> str:
    return "".join(f"\\{letter}" if letter in "*?[]\\" else letter for letter in text)


def _text(raw: bytes | str) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else raw
