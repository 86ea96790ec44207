"""celery-monitor: one line in a Celery app, and the app can see itself.

>>> from celery_monitor import Monitor
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery_monitor.monitor import Monitor as Monitor

__version__ = "0.1.0"
__all__ = ["Monitor", "__version__"]
_HOMES = {"Monitor": "celery_monitor.monitor"}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a worker pays for nothing it does not use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'celery_monitor' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
