"""One atomic step of the fold: writes that happen only if nobody has moved the cursor meanwhile."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError, ReadOnlyError

from celery_monitor.store.connection import Store


@cache
def _script(name: str) -> tuple[str, str]:
    text = files("celery_monitor.store").joinpath("lua", name + ".lua").read_text("utf-8")
    return text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def run_script(store: Store, name: str, keys: list[str], args: list[Any]) -> Any:
    """Run ``lua/<name>.lua``; a server that does not know it (restart, failover) gets the text.

    A server that has become a replica is left: the next call asks anew for the name's or the sentinels' primary.
    """
    text, sha = _script(name)
    with store.translated():
        try:
            return store.client.evalsha(sha, len(keys), *keys, *args)
        except NoScriptError:
            return store.client.eval(text, len(keys), *keys, *args)
        except ReadOnlyError:
            store.close()
            raise


class Commit:
    """Writes collected for one compare-and-set.

    Parameters:
        cursor: key of the cursor that guards them.
        expected: its value as the writes were computed from, empty when there was none.
    """

    def __init__(self, cursor: str, expected: bytes) -> None:
        self._keys: dict[str, int] = {cursor: 1}
        self._expected = expected
        self._args: list[Any] = []

    def add(self, command: str, key: str, *args: Any) -> None:
        """Add one write; `command` is any Redis command whose first argument is its only key."""
        at = self._keys.setdefault(key, len(self._keys) + 1)
        self._args += (command, at, len(args), *args)

    def lead(self, command: str, key: str, *args: Any) -> None:
        """Add one write before all others; one that frees memory is never refused, nor are those behind it."""
        at = self._keys.setdefault(key, len(self._keys) + 1)
        self._args[:0] = (command, at, len(args), *args)

    def run(self, store: Store, following: bytes) -> bool:
        """Apply all writes and move the cursor to `following`; False when somebody else has moved it."""
        return bool(run_script(store, "commit", list(self._keys), [self._expected, following, *self._args]))
