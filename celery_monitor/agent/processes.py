"""Looks at single processes with psutil: a worker's parent and the children of its pool."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import psutil

MOST_CHILDREN: Final = 256
_USS_EVERY_S: Final = 30.0
_USS_SHARE: Final = 0.0005
"""To count what a process shares with nobody the kernel walks through all of its memory: so much of a core at most."""
_PEAK: Final = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)
RATES: Final = ("read_bytes_s", "written_bytes_s", "switches_s")
"""Sums over a worker's processes, per second since the sample before."""
_TOTALS: Final = ("read_bytes", "written_bytes", "switches")


class Processes:
    """Samples some processes, each of them known by its pid as long as it lives."""

    def __init__(self) -> None:
        self._known: dict[int, psutil.Process] = {}
        self._before: dict[int, tuple[float, list[int]]] = {}
        self._uss: dict[int, int] = {}
        self._turn: list[int] = []
        self._next_uss = 0.0

    def look(self, pids: Iterable[int], now: float) -> list[dict[str, Any]]:
        """Return the figures of each of these processes that lives.

        Parameters:
            now: monotonic seconds.

        Returns:
            `pid`, `cpu_percent` (of one core), `rss_bytes`, `uss_bytes` where it was counted, `threads`, `fds`,
            `switches`, `involuntary_switches`, `read_bytes`, `written_bytes` (since its start), `started_us`; what the
            system does not tell is missing.
        """
        wanted = list(pids)[: MOST_CHILDREN + 1]
        for told in (self._known, self._before, self._uss):
            for gone in told.keys() - set(wanted):
                del told[gone]
        self._count_own(wanted, now)
        found = []
        for pid in wanted:
            with contextlib.suppress(psutil.Error):
                found.append(self._one(pid))
        return found

    def peaks(self, found: Iterable[dict[str, Any]]) -> None:
        """Add `peak_rss_bytes`, the most that each had resident since its start; where the kernel tells it."""
        for row in found:
            with contextlib.suppress(OSError):
                told = _PEAK.search(Path(f"/proc/{row['pid']}/status").read_bytes())
                if told:
                    row["peak_rss_bytes"] = int(told[1]) * 1024

    def rates(self, found: Iterable[dict[str, Any]], now: float) -> dict[str, float]:
        """Return the sums of `RATES`; a process that was not seen before adds nothing yet."""
        sums = [0.0] * len(RATES)
        for row in found:
            totals = [row.get(name, 0) + (row.get("involuntary_switches", 0) if name == "switches" else 0)
                      for name in _TOTALS]  # fmt: skip
            at, before = self._before.get(row["pid"], (now, totals))
            self._before[row["pid"]] = (now, totals)
            for place, (total, was) in enumerate(zip(totals, before, strict=True)):
                sums[place] += max(total - was, 0) / max(now - at, 0.001)
        return {name: round(each, 1) for name, each in zip(RATES, sums, strict=True)}

    def _one(self, pid: int) -> dict[str, Any]:
        process = self._known.get(pid)
        if process is None:
            process = self._known[pid] = psutil.Process(pid)
        with process.oneshot():
            row: dict[str, Any] = {
                "pid": pid,
                "cpu_percent": process.cpu_percent(None),
                "rss_bytes": process.memory_info().rss,
                "threads": process.num_threads(),
                "started_us": round(process.create_time() * 1e6),
            }
            with contextlib.suppress(psutil.Error, NotImplementedError):
                row["fds"] = process.num_fds()
                switches = process.num_ctx_switches()
                row["switches"], row["involuntary_switches"] = switches.voluntary, switches.involuntary
                io = process.io_counters()
                row["read_bytes"], row["written_bytes"] = io.read_bytes, io.write_bytes
        if pid in self._uss:
            row["uss_bytes"] = self._uss[pid]
        return row

    def _count_own(self, pids: list[int], now: float) -> None:
        """Have the kernel count what one process shares with nobody: one at a time, in turn, and seldom."""
        if now < self._next_uss or not pids:
            return
        self._turn = [pid for pid in self._turn if pid in pids] or list(pids)
        pid = self._turn.pop(0)
        began = time.thread_time()
        with contextlib.suppress(psutil.Error, KeyError):
            self._uss[pid] = self._known[pid].memory_full_info().uss
        took = time.thread_time() - began
        self._next_uss = now + max(_USS_EVERY_S / len(pids), took / _USS_SHARE)
