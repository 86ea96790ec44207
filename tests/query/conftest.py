"""The store's fixture, for the reader."""

from tests.store.conftest import store

__all__ = ["store"]
