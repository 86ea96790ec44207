"""Tells a child that the kernel killed for want of memory from one that a person did: both leave by SIGKILL.

The kernel counts what it kills in the control group of the process (cgroup v2 `memory.events`, v1 `memory.oom_control`,
both in a line ``oom_kill N``), before it sends the signal. A killed child is put down to it when the count had risen
around its death; as many children as the count rose by, for whoever else lives in the group may have been meant.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

NOTICED_US: Final = 6_000_000
"""A parent hears of a killed child up to 5.0 s late."""
_COUNT: Final = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class OutOfMemory:
    """Watches the count of a process's control group; reads one small file at each look.

    Parameters:
        source: the file with the count, None where the kernel keeps none.
    """

    def __init__(self, source: Path | None, now_us: int) -> None:
        self._source = source
        self._count = self._read()
        self._looked_us = now_us
        self._risen: deque[tuple[int, int]] = deque(maxlen=1000)  # one for each kill: between which looks it was

    def look(self, now_us: int) -> None:
        """Take up what was counted since the last look."""
        count = self._read()
        for _ in range(min(count - self._count, 1000)):
            self._risen.append((self._looked_us, now_us))
        self._count, self._looked_us = count, now_us

    def explains(self, noticed_us: int, now_us: int) -> bool:
        """Tell whether a child whose SIGKILL was noticed at a time was the kernel's victim; each kill explains one."""
        self.look(now_us)
        for kill in self._risen:
            first, last = kill
            if first <= noticed_us and last >= noticed_us - NOTICED_US:
                self._risen.remove(kill)
                return True
        return False

    def _read(self) -> int:
        try:
            found = _COUNT.search(self._source.read_text()) if self._source is not None else None
        except OSError:
            return 0
        return int(found[1]) if found else 0


def find(proc: Path = Path("/proc/self"), mounts: Path = Path("/sys/fs/cgroup")) -> Path | None:
    """Return the file with the count of this process's control group, None where there is none.

    In a container the group is often mounted as the root, while its path is told as the host sees it.
    """
    try:
        lines = (proc / "cgroup").read_text().splitlines()
    except OSError:
        return None
    return next((path for path in _candidates(lines, mounts) if _counts(path)), None)


def _candidates(lines: list[str], mounts: Path) -> Iterator[Path]:
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            root, name = mounts, "memory.events"
        elif "memory" in controllers.split(","):
            root, name = mounts / "memory", "memory.oom_control"
        else:
            continue
        yield root / path.lstrip("/") / name
        yield root / name


def _counts(path: Path) -> bool:
    try:
        return _COUNT.search(path.read_text()) is not None
    except OSError:
        return False
