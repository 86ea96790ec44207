"""Finds the Monitor to read through, also for a broker of which nothing but the URL is known."""

from __future__ import annotations

import re
from typing import Any, Final

from celery_monitor.config import load_settings
from celery_monitor.errors import ConfigurationError
from celery_monitor.monitor import Monitor
from celery_monitor.settings import Settings
from celery_monitor.store.connection import Store
from celery_monitor.store.keys import Keys

_LOOKS: Final = 200
_PER_LOOK: Final = 5000
"""Keys per look; after a million of them the user has to name the namespace."""


def attach(app: Any, namespace: str | None = None) -> Any:
    """Return the app's Monitor; for an app without one, a new Monitor on its broker.

    Parameters:
        app: the Celery app of the command line.
        namespace: whose data to read; None for the app's, or for the only one there is.

    Raises:
        ConfigurationError: the app's Monitor has another namespace, or it is not clear which one is meant.
        StoreError: the store does not answer.
    """
    found = getattr(app, "celery_monitor", None)
    if found is None:
        name = namespace or _chosen(load_settings(app))
        app.conf.monitor_namespace = name
        return Monitor(app)
    mine = found.settings.namespace
    if namespace not in (None, mine):
        raise ConfigurationError(
            f"--namespace {namespace}: the app's Monitor has namespace {mine!r}; leave the option out, "
            "or give the broker alone (celery -b redis://... monitor)"
        )
    return found


def _chosen(settings: Settings) -> str:
    """Return the namespace that was set, the default one when it is in use, else the only one in use."""
    if not settings.namespace_is_default:
        return settings.namespace
    store = Store.open(settings.url, settings.namespace, shards=settings.shards)
    try:
        names = namespaces(store)
    finally:
        store.close()
    if settings.namespace in names or not names:
        return settings.namespace
    if len(names) > 1:
        raise ConfigurationError(
            f"{store.where} holds {len(names)} namespaces: give --namespace with one of {', '.join(names)}"
        )
    return names[0]


def namespaces(store: Store) -> list[str]:
    """Return the namespaces in a store's database, sorted; bounded, so of a huge database maybe not all.

    Raises:
        StoreError: the store does not answer.
    """
    pattern = Keys("*").meta
    before, after = (re.escape(part) for part in pattern.split("*"))
    names: set[str] = set()
    with store.translated():
        for server in store.servers():
            cursor = 0
            for _ in range(_LOOKS):
                cursor, keys = server.scan(cursor, match=pattern, count=_PER_LOOK)
                texts = (key.decode("utf-8", "replace") for key in keys)
                names.update(m[1] for text in texts if (m := re.fullmatch(f"{before}(.*){after}", text)))
                if not cursor:
                    break
    return sorted(names)
