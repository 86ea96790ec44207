"""An independent witness of what is published: one line per message, appended with a plain write(2).

It knows nothing of the monitor, so what the two count can be compared. Lines are ``sending NAME ID`` before
and ``sent NAME ID`` after a message went to the broker; such appends do not mix, whichever process writes.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from celery.signals import after_task_publish, before_task_publish

VARIABLE = "SHOP_LEDGER"
"""The environment variable that names the file; without it nothing is written."""

MACHINERY = frozenset({"celery.chord_unlock", "celery.backend_cleanup", "celery.accumulate"})


def connect() -> None:
    """Start to write, when the environment says where."""
    path = os.environ.get(VARIABLE)
    if not path:
        return
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def sending(sender: str | None = None, headers: dict[str, str] | None = None, **_: object) -> None:
        os.write(descriptor, f"sending {sender} {(headers or {}).get('id')}\n".encode())

    def sent(sender: str | None = None, headers: dict[str, str] | None = None, **_: object) -> None:
        os.write(descriptor, f"sent {sender} {(headers or {}).get('id')}\n".encode())

    before_task_publish.connect(sending, weak=False, dispatch_uid="shop.ledger.sending")
    after_task_publish.connect(sent, weak=False, dispatch_uid="shop.ledger.sent")


def published(path: Path) -> Counter[str]:
    """Return messages sent per task name, without what Celery and the monitor send for themselves."""
    counts: Counter[str] = Counter()
    for line in path.read_text().splitlines() if path.exists() else ():
        word, name, _ = line.split(" ", 2)
        if word == "sent" and name not in MACHINERY and not name.startswith("celery_monitor."):
            counts[name] += 1
    return counts
