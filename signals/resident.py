"""This process's resident memory, read at most once in 20 ms: an idle child's does not move between tasks."""

from __future__ import annotations

import os
import resource
from typing import Final

from celery_monitor.signals import process

EVERY_NS: Final = 20_000_000
_PAGE_KIB: Final = resource.getpagesize() // 1024


class Memory:
    """What the last look found; see the module's text."""

    def __init__(self) -> None:
        self.fd = -1
        self.kib = self.peak_kib = 0
        self.next_ns = 0

    def since_last(self, now_ns: int) -> tuple[int, int]:
        """Return peak and growth in KiB of the attempt that ends now; it lasted 20 ms, or the last look is so old."""
        before, first = self.kib, self.fd < 0
        self.kib = self._read()
        self.next_ns = now_ns + EVERY_NS
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        risen, self.peak_kib = peak > self.peak_kib and not first, peak
        unknown = first or process.place.shared_memory
        return max(self.kib, peak) if risen else self.kib, 0 if unknown else self.kib - before

    def _read(self) -> int:
        """Return the resident set in KiB from /proc/self/statm, 0 where there is none."""
        if self.fd < 0:
            try:
                self.fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            except OSError:
                return 0
        return int(os.pread(self.fd, 64, 0).split()[1]) * _PAGE_KIB

    def forget(self) -> None:
        """Start anew in a forked process: /proc/self was opened by the parent and means the parent."""
        if self.fd >= 0:
            os.close(self.fd)
        self.__init__()  # type: ignore[misc]


memory = Memory()
process.after_fork.append(memory.forget)
