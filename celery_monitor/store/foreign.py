"""Keys of ours that hold something of another type: somebody else wrote them, and we neither use nor remove them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

from celery_monitor.store.keys import Keys

COUNTERS: Final = "counters"
EXECUTIONS: Final = "executions"
_HASHES: Final = ("inbox_bytes", "live", "meta", "alerts", "lost", "waits", "retried", "workers", "beats", "skipped")
_SORTED: Final = ("runs", "fires")
_STRINGS: Final = ("rollup_bytes", "pace", "lifetime", "lease", "broker")
_FOLDED: Final = {
    COUNTERS: ("inbox_metrics", "inbox_bytes", "rollup_bytes", "lifetime", "skipped", "cursor:m"),
    EXECUTIONS: ("inbox_tasks", "inbox_metrics", "inbox_bytes", "pace", "lost", "waits", "retried", "runs", "fires",
                 "skipped", "cursor:t", "blocks", "blockinfo", "l:blocks", "l:blockinfo"),
}  # fmt: skip
"""What the fold writes to in the commits of a kind: half of one must never happen."""


def types(keys: Keys) -> dict[str, tuple[str, str]]:
    """Return the keys there is one of each: name to (key, its type in Redis's word)."""
    found = {name: (getattr(keys, name), "hash") for name in _HASHES}
    found |= {name: (getattr(keys, name), "zset") for name in _SORTED}
    found |= {name: (getattr(keys, name), "string") for name in _STRINGS}
    found |= {"inbox_metrics": (keys.inbox_metrics, "stream"), "inbox_tasks": (keys.inbox_tasks, "stream")}
    found |= {f"cursor:{kind}": (keys.cursor(kind), "string") for kind in "mt"}
    for mark, shelf in zip(("", "l:"), keys.shelves, strict=True):
        found |= {mark + "blocks": (shelf.blocks, "zset"), mark + "blockinfo": (shelf.block_info, "hash")}
    return found


def find(client: Any, keys: Keys) -> dict[str, str]:
    """Return what is wrong with keys, by name; nothing for those that are missing or as they should be."""
    wanted = types(keys)
    pipe = client.pipeline(transaction=False)
    for key, _ in wanted.values():
        pipe.type(key)
    told = (kind.decode() if isinstance(kind, bytes) else str(kind) for kind in pipe.execute())
    return {
        name: f"{key} holds a {kind}, not our {ours}"
        for (name, (key, ours)), kind in zip(wanted.items(), told, strict=True)
        if kind not in {"none", ours}
    }


def blocked(wrong: Mapping[str, str], kind: str) -> str | None:
    """Return why a kind cannot be folded, None when it can."""
    return next((wrong[name] for name in _FOLDED[kind] if name in wrong), None)


def named(answer: str, client: Callable[[], Any], shards: tuple[Keys, ...]) -> str | None:
    """Return which keys a server's answer is about when it is that of a wrong type, None for other answers."""
    if "WRONGTYPE" not in answer:
        return None
    wrong: list[str] = []
    with suppress(Exception):
        wrong = [text for keys in shards for text in find(client(), keys).values()]
    told = "; ".join(wrong) or "a key of ours holds another type"
    return f"{told}: remove or rename what somebody else has put there, or set monitor_namespace"
