"""Finds what the control group of this process may use of CPU and memory, and how much of it is used.

A limit may be set on any group above ours, so the whole path is looked at and the narrowest limit counts, with the use
of the group that has it. cgroup v2: `cpu.max`, `memory.max`; v1: `cpu.cfs_quota_us`, `memory.limit_in_bytes`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc/self")
_MOUNTS: Final = Path("/sys/fs/cgroup")
_NO_LIMIT: Final = 1 << 60
"""Version 1 says "no limit" with a number of this size."""


@dataclass(frozen=True, slots=True)
class Cpu:
    """A limit on CPU.

    Attributes:
        cores: so many may be used at a time.
        group: whose limit it is; its use is counted there.
        used_us: CPU time that the group has used since it was made.
        periods, throttled: of so many periods it was held back in so many since it was made.
    """

    cores: float
    group: Path
    used_us: int
    periods: int
    throttled: int


@dataclass(frozen=True, slots=True)
class Memory:
    """A limit on memory, and what is used of it without the file cache that the kernel can drop at once."""

    limit_bytes: int
    used_bytes: int


def cpu(proc: Path = _PROC, mounts: Path = _MOUNTS) -> Cpu | None:
    """Return the narrowest limit on CPU, None where there is none."""
    found: list[Cpu] = []
    for version, group, root in _groups(proc, mounts, "cpu"):
        cores = _quota(version, group)
        if cores is not None:
            found.append(Cpu(cores, group, _cpu_us(version, group, root, mounts), *_periods(group)))
    return min(found, key=lambda limit: limit.cores, default=None)


def memory(proc: Path = _PROC, mounts: Path = _MOUNTS) -> Memory | None:
    """Return the narrowest limit on memory, None where there is none."""
    found: list[Memory] = []
    for version, group, _ in _groups(proc, mounts, "memory"):
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, used = (_number(group / name) for name in names)
        if limit is not None and used is not None and limit < _NO_LIMIT:
            cache = _fields(group / "memory.stat").get("inactive_file" if version == 2 else "total_inactive_file", 0)
            found.append(Memory(limit, max(used - cache, 0)))
    return min(found, key=lambda limit: limit.limit_bytes, default=None)


def _groups(proc: Path, mounts: Path, controller: str) -> Iterator[tuple[int, Path, Path]]:
    """Yield (version, group, root) of our group and of those above it.

    In a container the group is often mounted as the root, while its path is told as the host sees it.
    """
    for line in (_text(proc / "cgroup") or "").splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0" and not controllers:
            version, root = 2, mounts
        elif controller in controllers.split(","):
            version, root = 1, _mounted(mounts, controller, controllers)
        else:
            continue
        own = root / path.lstrip("/")
        for group in (own, *own.parents) if own.is_dir() else (root,):
            yield version, group, root
            if group == root:
                break


def _mounted(mounts: Path, controller: str, together: str) -> Path:
    alone = mounts / controller
    return alone if alone.is_dir() else mounts / together


def _quota(version: int, group: Path) -> float | None:
    """Return the cores that a group may use at a time, None for all."""
    if version == 2:
        quota, _, period = (_text(group / "cpu.max") or "").strip().partition(" ")
        return int(quota) / int(period) if quota.isdigit() and period.isdigit() and int(period) else None
    allowed, every = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
    return allowed / every if allowed is not None and every and allowed > 0 else None


def _cpu_us(version: int, group: Path, root: Path, mounts: Path) -> int:
    if version == 2:
        return _fields(group / "cpu.stat").get("usage_usec", 0)
    beside = group / "cpuacct.usage"
    if not beside.exists():  # the two controllers are mounted apart
        beside = mounts / "cpuacct" / group.relative_to(root) / "cpuacct.usage"
    return (_number(beside) or 0) // 1000


def _periods(group: Path) -> tuple[int, int]:
    told = _fields(group / "cpu.stat")
    return told.get("nr_periods", 0), told.get("nr_throttled", 0)


def _fields(path: Path) -> dict[str, int]:
    """Return the lines ``name number`` of a file."""
    pairs = [line.split() for line in (_text(path) or "").splitlines()]
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _number(path: Path) -> int | None:
    text = (_text(path) or "").strip()
    return int(text) if text.lstrip("-").isdigit() else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None
