"""Finds what dead processes of ours left in the folder, and drains it to the end."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from typing import Final

from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal

_STALE_S: Final = 2 * 86_400.0
_YOUNG_S: Final = 10.0
"""A process this young may not have started its agent yet."""


def orphans(folder: Path, own: bytes, known: set[bytes], buffer_bytes: int) -> list[Instance]:
    """Take over the instances whose agent is dead, or never ran (no threads); each is replayed and ready to drain."""
    found = []
    for instance in _instances(folder) - known - {own}:
        path = folder / f"{instance.hex()}.agent"
        if path.exists():
            journal = Journal.take_over(path)
        elif _age_s(folder, instance) > _YOUNG_S:
            journal = Journal.create(folder, instance, {"role": "producer", "hostname": "producer@unknown", "pid": 0})
        else:
            continue
        if journal is None or journal.path is None:
            continue
        worker = str(journal.about.get("hostname") or "unknown")
        orphan = Instance(instance, journal, folder, worker, buffer_bytes, alone=True)
        orphan.replay(time.monotonic())
        found.append(orphan)
    return found


def clear(folder: Path) -> None:
    """Remove what the dead of other namespaces and stores left two days ago: the fold would refuse it as too late."""
    for path in folder.parent.glob("*/*"):
        try:
            if path.parent != folder and time.time() - path.stat().st_mtime > _STALE_S and _unlocked(path):
                path.unlink()
        except OSError:
            continue


def _unlocked(path: Path) -> bool:
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(fd)


def _instances(folder: Path) -> set[bytes]:
    try:
        names = [path.name for path in folder.iterdir() if path.suffix in {".ring", ".agent"}]
    except FileNotFoundError:  # removed while we run, with what the dead left in it; the living write on in memory
        return set()
    marks = {name.split(".")[0].split("-")[0] for name in names}
    return {bytes.fromhex(mark) for mark in marks if len(mark) == 32}


def _age_s(folder: Path, instance: bytes) -> float:
    ages = []
    for path in folder.glob(f"{instance.hex()}-*.ring"):
        try:
            ages.append(time.time() - path.stat().st_mtime)
        except OSError:
            continue
    return max(ages, default=0.0)
