"""What the store says of itself: the version of its format, and whose namespace it is."""

from __future__ import annotations

from typing import Any, Final

from celery_monitor.errors import ConfigurationError, StoreRefused, StoreTooNew
from celery_monitor.store import live
from celery_monitor.store.connection import Store

SCHEMA: Final = 1
"""The format this release writes and reads."""
_OWNER_S: Final = 600
"""An owner none of whose agents was heard for this long has left its namespace."""


def check(store: Store, *, create: bool = True) -> None:
    """Make sure the store can be read by this release.

    Parameters:
        create: write the version when there is none yet; readers do not.

    Raises:
        StoreTooNew: a newer release wrote what this one cannot read.
        StoreRefused: not a Redis, wrong password, or the data lie in another number of shards.
        StoreUnreachable: no answer.
    """
    with store.translated():
        raw, shards = store.client.hmget(store.keys.meta, ["min_read", "shards"])
        if raw is None and create:
            pipe = store.client.pipeline(transaction=True)
            pipe.hsetnx(store.keys.meta, "min_read", SCHEMA)
            pipe.hsetnx(store.keys.meta, "write", SCHEMA)
            pipe.hsetnx(store.keys.meta, "shards", len(store.shards))
            pipe.hget(store.keys.meta, "shards")
            *_, shards = pipe.execute()
    least = _number(raw)
    if least is None or least > SCHEMA:
        raise StoreTooNew(
            f"{store.where}: namespace {store.namespace!r} was written in format {raw!r}; this release of "
            f"celery-monitor reads {SCHEMA}: upgrade it, or give another monitor_namespace"
        )
    if shards is not None and shards != b"%d" % len(store.shards):
        found = shards.decode("ascii", "replace")
        raise StoreRefused(
            f"monitor_shards: namespace {store.namespace!r} in {store.where} lies in {found} shards, not in "
            f"{len(store.shards)}; give that number in all processes, or another monitor_namespace"
        )


def may_fold(store: Store) -> bool:
    """Return whether this release is new enough to write rollups: an older one steps aside."""
    with store.translated():
        raw = store.client.hget(store.keys.meta, "write")
    written = _number(raw)
    return written is not None and written <= SCHEMA


def claim_namespace(store: Store, owner: str, now_us: int, *, is_default: bool) -> None:
    """Take the namespace for a fleet, or refuse when another fleet lives in it under a name nobody chose.

    Parameters:
        owner: what tells one fleet from another, like a digest of app name and broker.
        now_us: the server's clock.
        is_default: the namespace was derived; one that somebody has set is shared without asking.

    Raises:
        ConfigurationError: another owner's agents were heard within the last ten minutes.
    """
    with store.translated():
        store.client.hsetnx(store.keys.meta, "owner", owner)
        holder: Any = store.client.hget(store.keys.meta, "owner")
    name = holder.decode("utf-8", "replace") if holder else owner
    if name == owner:
        return
    if is_default and any(
        not s.get("goodbye") and now_us - s["at_us"] < _OWNER_S * 1_000_000 for s in live.agents(store)
    ):
        raise ConfigurationError(
            f"monitor_namespace: {store.namespace!r} (the default) is used by another fleet ({name}) in "
            f"{store.where}; set monitor_namespace to a name of your own, the same in all processes of this app"
        )
    with store.translated():
        store.client.hset(store.keys.meta, "owner", owner)


def _number(raw: bytes | None) -> int | None:
    if raw is None:
        return SCHEMA
    return int(raw) if raw.isdigit() else None
