"""How a Redis is, by INFO alone: memory, evictions, hit rate, clients, latency, persistence."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from redis import RedisError

_FIELDS: Final = {
    "used_bytes": "used_memory",
    "max_bytes": "maxmemory",
    "fragmentation": "mem_fragmentation_ratio",
    "evicted": "evicted_keys",
    "hits": "keyspace_hits",
    "misses": "keyspace_misses",
    "clients": "connected_clients",
    "blocked": "blocked_clients",
    "rejected": "rejected_connections",
    "commands": "total_commands_processed",
    "uptime_s": "uptime_in_seconds",
}
"""Number of ours to the field of INFO."""
_WORDS: Final = {"version": "redis_version", "policy": "maxmemory_policy", "role": "role", "run_id": "run_id"}
_WRITES: Final = {
    "rdb_last_bgsave_status": "the last snapshot failed",
    "aof_last_bgrewrite_status": "the last rewrite of the append-only file failed",
    "aof_last_write_status": "the last write to the append-only file failed",
}


def read(client: Any) -> dict[str, Any]:
    """Ask a server; where INFO is refused, `note` says so and nothing else is known.

    Parameters:
        client: a redis-py client, or an object with its `info` and `ping`.
    """
    try:
        client.ping()  # a connection that has to be made first is none of the server's latency
        began = time.perf_counter()
        client.ping()
        latency_s = time.perf_counter() - began
        return told(client.info()) | {"latency_s": round(latency_s, 6)}
    except RedisError as error:
        return {"note": f"not readable: {type(error).__name__}: {error}"[:200]}


def told(info: Mapping[str, Any]) -> dict[str, Any]:
    """Return what INFO says in our names; counters are since the server's start.

    >>> told({"used_memory": 10, "redis_version": "7.2", "aof_last_write_status": "err", "loading": 0})
    {'used_bytes': 10.0, 'version': '7.2', 'errors': ['the last write to the append-only file failed']}
    """
    found: dict[str, Any] = {name: float(info[key]) for name, key in _FIELDS.items() if key in info}
    found |= {name: str(info[key]) for name, key in _WORDS.items() if key in info}
    if "valkey_version" in info:
        found["version"] = f"Valkey {info['valkey_version']}"
    errors = [text for key, text in _WRITES.items() if info.get(key, "ok") != "ok"]
    if info.get("loading"):
        errors.append("it is loading its data")
    if info.get("master_link_status", "up") != "up":
        errors.append("the link to its primary is down")
    return found | {"errors": errors}


def gauges(now: Mapping[str, Any], before: Mapping[str, Any] | None, seconds: float) -> dict[str, float]:
    """Return the levels to keep of one look; rates and the hit ratio are since the look before.

    >>> gauges({"hits": 30.0, "misses": 10.0, "evicted": 4.0}, {"hits": 0.0, "misses": 0.0, "evicted": 0.0}, 10.0)
    {'hit_ratio': 0.75, 'evicted_s': 0.4}
    """
    known = {name: now[name] for name in ("used_bytes", "clients", "blocked", "latency_s") if name in now}
    if now.get("max_bytes"):
        known["memory_ratio"] = now["used_bytes"] / now["max_bytes"]
    if before is None or seconds <= 0 or before.get("run_id") != now.get("run_id"):
        return known
    step = {name: now[name] - before[name] for name in ("hits", "misses", "evicted", "commands") if name in now}
    if step.get("hits", 0) + step.get("misses", 0) > 0:
        known["hit_ratio"] = step["hits"] / (step["hits"] + step["misses"])
    known |= {f"{name}_s": step[name] / seconds for name in ("evicted", "commands") if name in step}
    return known
