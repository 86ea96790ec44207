"""Keeps our channel out of what a forked child does first: it resets its parent's channels, and waits for their locks.

kombu registers every Redis channel with multiprocessing, whose fork runs ``pool.reset()`` in the child. When an agent's
thread holds that pool's lock at the fork, the child waits for it for ever. Ours is used by one thread of the parent
only, so a child has no need to reset it.
"""

from __future__ import annotations

from multiprocessing import util
from typing import Any


def leave_alone(channel: Any) -> None:
    """Take a channel off the list of what is reset after a fork."""
    registry: Any = getattr(util, "_afterfork_registry", {})  # billiard's is the same object
    for key, registered in list(registry.items()):
        if registered is channel:
            registry.pop(key, None)
