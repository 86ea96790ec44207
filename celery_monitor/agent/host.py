"""Looks at the machine, or at the part of it that this container may use: CPU, load, memory, swap, disk, network."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Final

import psutil

from celery_monitor.agent import cgroup
from celery_monitor.live_state import HostSample

_LOOPBACK: Final = "lo"


class Host:
    """Samples the machine; rates are those since the sample before.

    Parameters:
        clock: monotonic seconds.
        cpu, memory: return the limits that hold here, None for none.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], cgroup.Cpu | None] = cgroup.cpu,
        memory: Callable[[], cgroup.Memory | None] = cgroup.memory,
    ) -> None:
        self._clock, self._cpu_limit, self._memory_limit = clock, cpu, memory
        self._at = clock()
        self._network = _network()
        self._group = cpu()

    def look(self) -> HostSample:
        """Return a sample."""
        at, self._at = self._at, self._clock()
        passed = max(self._at - at, 0.001)
        disk = psutil.disk_usage("/")
        found: HostSample = {
            "cpu_percent": psutil.cpu_percent(None),
            "load1": os.getloadavg()[0],
            "cpus": float(os.cpu_count() or 1),
            "memory_used_bytes": 0,
            "memory_total_bytes": 0,
            "disk_used_bytes": disk.used,
            "disk_total_bytes": disk.total,
        }
        self._memory(found)
        self._network_rates(found, passed)
        self._share_of_cpu(found, passed)
        return found

    def _memory(self, found: HostSample) -> None:
        memory, limit = psutil.virtual_memory(), self._memory_limit()
        found["memory_used_bytes"] = memory.total - memory.available
        found["memory_total_bytes"] = found["machine_memory_bytes"] = memory.total
        if limit is not None and limit.limit_bytes < memory.total:
            found["memory_used_bytes"], found["memory_total_bytes"] = limit.used_bytes, limit.limit_bytes
            found["memory_limit_bytes"] = limit.limit_bytes
        swap = psutil.swap_memory()
        found["swap_used_bytes"], found["swap_total_bytes"] = swap.used, swap.total

    def _network_rates(self, found: HostSample, passed: float) -> None:
        before, self._network = self._network, _network()
        sent, received = (max(now - then, 0) / passed for now, then in zip(self._network, before, strict=True))
        found["sent_bytes_s"], found["received_bytes_s"] = round(sent, 1), round(received, 1)

    def _share_of_cpu(self, found: HostSample, passed: float) -> None:
        """Where a limit holds, its part of the machine is all there is."""
        found["machine_cpus"] = found["cpus"]
        before, self._group = self._group, self._cpu_limit()
        limit = self._group
        if limit is None or limit.cores >= found["cpus"]:
            return
        found["cpus"] = found["cpu_limit"] = limit.cores
        if before is None or before.group != limit.group:
            before = limit
        used, periods = max(limit.used_us - before.used_us, 0), limit.periods - before.periods
        found["cpu_percent"] = round(used / (passed * 1e6 * limit.cores) * 100, 1)
        found["throttled_ratio"] = round((limit.throttled - before.throttled) / periods, 4) if periods > 0 else 0.0


def _network() -> tuple[int, int]:
    """Return the bytes sent and received by all interfaces but the loopback."""
    interfaces = psutil.net_io_counters(pernic=True)
    told = [counters for name, counters in interfaces.items() if name != _LOOPBACK]
    return sum(c.bytes_sent for c in told), sum(c.bytes_recv for c in told)
