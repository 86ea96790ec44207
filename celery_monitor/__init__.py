"""celery-monitor: one line in a Celery app, and the app can see itself.

>>> from celery_monitor import Monitor
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from celery_monitor.monitor import Monitor as Monitor
    from celery_monitor.signals.context import label as label
    from celery_monitor.signals.context import new_run as new_run
    from celery_monitor.signals.context import workflow as workflow
    from celery_monitor.signals.measures import measure as measure
    from celery_monitor.signals.spans import span as span
    from celery_monitor.signals.waits import wait as wait
    from celery_monitor.signals.waits import wait_begin as wait_begin
    from celery_monitor.signals.waits import wait_end as wait_end

__version__ = "0.1.0"
__all__ = [
    "Monitor", "__version__", "label", "measure", "new_run", "span", "wait", "wait_begin", "wait_end", "workflow",
]  # fmt: skip
_HOMES = {
    "Monitor": "celery_monitor.monitor",
    "label": "celery_monitor.signals.context",
    "measure": "celery_monitor.signals.measures",
    "new_run": "celery_monitor.signals.context",
    "span": "celery_monitor.signals.spans",
    "wait": "celery_monitor.signals.waits",
    "wait_begin": "celery_monitor.signals.waits",
    "wait_end": "celery_monitor.signals.waits",
    "workflow": "celery_monitor.signals.context",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: a worker pays for nothing it does not use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'celery_monitor' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_HOMES[name]), name)
