"""What a control group may use is found in both versions, on whatever level the limit is set."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_monitor.agent import cgroup
from celery_monitor.agent.cgroup import Memory
from celery_monitor.agent.host import Host
from tests.signals.apart import apart

MIB = 1024 * 1024


def put(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")
    return folder


def test_version_2_takes_the_narrowest_limit_on_the_path(tmp_path: Path) -> None:
    put(tmp_path, cgroup="0::/slice/pod")
    above = put(tmp_path / "m/slice", memory__max=str(100 * MIB), memory__current=str(80 * MIB))
    put(above, memory__stat=f"anon 1\ninactive_file {30 * MIB}")
    put(above, cpu__max="150000 100000", cpu__stat="usage_usec 7000000\nnr_periods 10\nnr_throttled 4")
    put(tmp_path / "m/slice/pod", cpu__max="max 100000", memory__max="max", memory__current="5")
    cpu = cgroup.cpu(tmp_path, tmp_path / "m")
    assert cpu is not None
    assert (cpu.cores, cpu.group.name, cpu.used_us, cpu.periods, cpu.throttled) == (1.5, "slice", 7_000_000, 10, 4)
    assert cgroup.memory(tmp_path, tmp_path / "m") == Memory(100 * MIB, 50 * MIB)


def test_version_1_has_a_tree_for_each_controller(tmp_path: Path) -> None:
    put(tmp_path, cgroup="4:memory:/a\n2:cpuacct:/b\n1:cpu:/b\n0::/")
    put(tmp_path / "m/cpu/b", cpu__cfs_quota_us="50000", cpu__cfs_period_us="100000")
    put(tmp_path / "m/cpuacct/b", cpuacct__usage="3000000000")
    put(tmp_path / "m/memory/a", memory__limit_in_bytes=str(64 * MIB), memory__usage_in_bytes=str(20 * MIB),
        memory__stat=f"total_inactive_file {5 * MIB}")  # fmt: skip
    cpu = cgroup.cpu(tmp_path, tmp_path / "m")
    assert cpu is not None
    assert (cpu.cores, cpu.used_us) == (0.5, 3_000_000)
    assert cgroup.memory(tmp_path, tmp_path / "m") == Memory(64 * MIB, 15 * MIB)


def test_a_container_whose_group_is_mounted_as_the_root_reads_the_root(tmp_path: Path) -> None:
    put(tmp_path, cgroup="0::/docker/abc")
    put(tmp_path / "m", cpu__max="200000 100000")
    cpu = cgroup.cpu(tmp_path, tmp_path / "m")
    assert cpu is not None
    assert cpu.cores == 2.0


def test_no_limit_is_none_and_no_file_is_no_error(tmp_path: Path) -> None:
    assert cgroup.cpu(tmp_path, tmp_path) is None
    put(tmp_path, cgroup="4:memory:/\n1:cpu:/\n0::/")
    put(tmp_path / "m/cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    put(tmp_path / "m/memory", memory__limit_in_bytes="9223372036854771712", memory__usage_in_bytes="5")
    assert cgroup.cpu(tmp_path, tmp_path / "m") is None
    assert cgroup.memory(tmp_path, tmp_path / "m") is None


@pytest.fixture
def group() -> Iterator[str]:
    """The name of a real control group with half a core and 300 MiB; skipped where none can be made."""
    name = f"celery-monitor-test-{os.getpid()}"
    root = Path("/sys/fs/cgroup")
    v1 = (root / "memory").is_dir()
    made = [root / part / name for part in ("cpu", "cpuacct", "memory")] if v1 else [root / name]
    limits = {"cpu.cfs_quota_us": "50000", "memory.limit_in_bytes": str(300 * MIB)} if v1 else {
        "cpu.max": "50000 100000", "memory.max": str(300 * MIB)}  # fmt: skip
    try:
        for each in made:
            each.mkdir()
        for each in made:
            for file, limit in limits.items():
                if (each / file).exists():
                    (each / file).write_text(limit)
        if cannot := [file for file in limits if not any((each / file).exists() for each in made)]:
            pytest.skip(f"no limit can be set: {cannot}")
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    else:
        yield name
    finally:
        for each in made:
            with contextlib.suppress(OSError):
                each.rmdir()


def within(name: str) -> dict[str, float]:
    """In that group, take 100 MiB and burn CPU; return what the host's sample says, and what was taken."""
    for part in ("cpu", "cpuacct", "memory", ""):
        with contextlib.suppress(OSError):
            (Path("/sys/fs/cgroup") / part / name / "cgroup.procs").write_text(str(os.getpid()))
    held = b"\1" * (100 * MIB)
    host, began, cpu = Host(), time.monotonic(), time.process_time()
    while time.process_time() - cpu < 0.4:
        pass
    found = host.look()
    taken = (time.process_time() - cpu) / (time.monotonic() - began)
    return {**found, "held": len(held), "taken": taken}  # type: ignore[dict-item]


def test_a_host_is_what_a_real_control_group_leaves_of_it(group: str) -> None:
    found = apart(within, group)
    assert (found["cpus"], found["cpu_limit"]) == (0.5, 0.5)
    assert found["machine_cpus"] == os.cpu_count()
    assert found["cpu_percent"] == pytest.approx(100 * found["taken"] / 0.5, rel=0.1)
    assert 0 <= found["throttled_ratio"] <= 1
    assert found["memory_total_bytes"] == 300 * MIB
    assert 100 * MIB <= found["memory_used_bytes"] <= 200 * MIB
