"""The blocks of a store, wherever they lie."""

from __future__ import annotations

from collections.abc import Iterator

from celery_monitor.store.connection import Store


def stored_blocks(store: Store) -> Iterator[bytes]:
    """Yield the bytes of every block."""
    for shelf in store.keys.shelves:
        for number in sorted(map(int, store.client.hkeys(shelf.block_info))):
            yield store.client.get(shelf.block(number))
