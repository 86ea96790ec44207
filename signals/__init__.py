"""Turns Celery's signals into records in the process's ring; runs inside users' workers, so it stays light."""

if __name__ != "celery_monitor.signals":
    msg = f"import celery_monitor.signals, not {__name__!r}: a second copy would connect every handler twice"
    raise ImportError(msg)
