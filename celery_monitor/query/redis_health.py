"""How the Redis servers of broker and store are, as the last sample of the queues found them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from celery_monitor.query.times import iso
from celery_monitor.store.broker import Look

_WHOLE: Final = {
    "used_bytes": "used_bytes", "max_bytes": "max_bytes", "clients": "clients", "blocked_clients": "blocked",
    "rejected_connections": "rejected", "evicted_keys": "evicted", "keyspace_hits": "hits",
    "keyspace_misses": "misses", "uptime_seconds": "uptime_s",
}  # fmt: skip
"""Field of the answer to what `brokers.health` calls it."""
_WORDS: Final = ("version", "policy", "role")


def rows(look: Look) -> dict[str, Any]:
    """Return the `redis` object of ``/health``: a row each for "broker" and "store", None where it is no Redis."""
    told = look.get("health") or {}
    one = _same(told.get("broker"), told.get("store"))
    found: dict[str, Any] = {name: row(told[name]) if told.get(name) else None for name in ("broker", "store")}
    return found | {"same_server": one, "sampled_at": iso(look.get("at_us"))}


def row(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return one server's row; what is not known is None.

    >>> found = row({"used_bytes": 50.0, "max_bytes": 200.0, "hits": 3.0, "misses": 1.0, "errors": []})
    >>> found["memory_ratio"], found["hit_ratio"], found["clients"]
    (0.25, 0.75, None)
    """
    used, most = told.get("used_bytes"), told.get("max_bytes")
    asked = told.get("hits", 0) + told.get("misses", 0)
    return {
        **{name: int(told[key]) if key in told else None for name, key in _WHOLE.items()},
        "memory_ratio": round(used / most, 4) if used is not None and most else None,
        "fragmentation_ratio": told.get("fragmentation"),
        "hit_ratio": round(told["hits"] / asked, 4) if asked else None,
        "latency_seconds": told.get("latency_s"),
        **{name: told.get(name) for name in _WORDS},
        "errors": [*(told.get("errors") or ()), *([told["note"]] if told.get("note") else [])],
    }


def _same(broker: Mapping[str, Any] | None, store: Mapping[str, Any] | None) -> bool | None:
    """Tell whether both are one server, None when that is not known."""
    if not broker or not store or "run_id" not in broker or "run_id" not in store:
        return None
    return bool(broker["run_id"] == store["run_id"])
