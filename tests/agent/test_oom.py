"""A child that the kernel killed for want of memory is told from one that somebody killed."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from celery_monitor.agent import oom
from celery_monitor.agent.oom import OutOfMemory
from celery_monitor.store.connection import Store
from tests.agent import actors, stored
from tests.signals.apart import apart

SECOND = 1_000_000
MIB = 1024 * 1024


def write(path: Path, count: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"low 0\noom {count}\noom_kill {count}\noom_group_kill 0\n")
    return path


def test_a_kill_that_was_counted_around_a_death_explains_it_once(tmp_path: Path) -> None:
    memory = OutOfMemory(write(tmp_path / "memory.events", 7), 0)
    assert not memory.explains(1 * SECOND, 1 * SECOND)
    write(tmp_path / "memory.events", 8)
    assert memory.explains(3 * SECOND, 4 * SECOND)
    assert not memory.explains(3 * SECOND, 4 * SECOND)


def test_a_kill_of_long_ago_explains_nothing(tmp_path: Path) -> None:
    memory = OutOfMemory(write(tmp_path / "memory.events", 0), 0)
    write(tmp_path / "memory.events", 1)
    memory.look(5 * SECOND)
    memory.look(10 * SECOND)
    assert not memory.explains(60 * SECOND, 60 * SECOND)


def test_a_kill_after_a_death_was_noticed_explains_nothing(tmp_path: Path) -> None:
    memory = OutOfMemory(write(tmp_path / "memory.events", 0), 0)
    memory.look(5 * SECOND)
    write(tmp_path / "memory.events", 1)
    assert not memory.explains(4 * SECOND, 10 * SECOND)


def test_without_a_count_nothing_is_explained(tmp_path: Path) -> None:
    memory = OutOfMemory(None, 0)
    assert not memory.explains(SECOND, SECOND)
    gone = OutOfMemory(write(tmp_path / "memory.events", 1), 0)
    (tmp_path / "memory.events").unlink()
    assert not gone.explains(SECOND, SECOND)


@pytest.mark.parametrize(
    ("lines", "place"),
    [
        ("0::/kubepods/pod1\n", "kubepods/pod1/memory.events"),
        ("0::/\n", "memory.events"),
        ("12:cpu,cpuacct:/x\n4:memory:/docker/abc\n", "memory/docker/abc/memory.oom_control"),
        ("4:memory:/docker/abc\n0::/\n", "memory/memory.oom_control"),  # the group is mounted as the root
    ],
)
def test_the_count_is_found_where_the_kernel_keeps_it(tmp_path: Path, lines: str, place: str) -> None:
    (tmp_path / "cgroup").write_text(lines)
    expected = write(tmp_path / "mounts" / place, 0)
    assert oom.find(tmp_path, tmp_path / "mounts") == expected


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    assert oom.find(tmp_path, tmp_path) is None
    (tmp_path / "cgroup").write_text("4:memory:/a\n0::/b\n")
    assert oom.find(tmp_path, tmp_path) is None


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of our own with 200 MiB of memory; skipped where none can be made."""
    base = Path("/sys/fs/cgroup/memory")
    made = (base if base.is_dir() else base.parent) / f"celery-monitor-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if base.is_dir() else "memory.max"
    try:
        made.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made: {error}")
    try:
        (made / limit).write_text(str(200 * MIB))
        with contextlib.suppress(OSError):
            (made / "memory.swap.max").write_text("0")
    except OSError as error:
        made.rmdir()
        pytest.skip(f"no memory limit can be set: {error}")
    yield made
    made.rmdir()


def starve(group: str, shm: str, url: str) -> dict[str, list[tuple[str, str]]]:
    """In a small control group one child takes more memory than there is, and another one is killed by hand."""
    (Path(group) / "cgroup.procs").write_text(str(os.getpid()))
    store = Store.open(url, "oom")
    actors.worker_parent(Path(shm))
    agent = actors.agent(Path(shm), store)
    actors.round_(agent)

    def greedy() -> None:
        actors.begin("starved")
        held = [b"\1" * MIB for _ in range(1000)]
        os._exit(len(held) % 7)

    with contextlib.suppress(AssertionError):
        actors.pool_child(greedy)
    _, status = os.wait()
    assert os.WTERMSIG(status) == 9, f"the kernel did not kill it: {status}"
    actors.tell_killed("starved")
    actors.round_(agent)
    actors.kill(actors.pool_child(lambda: actors.begin("killed")))
    actors.tell_killed("killed")
    for _ in range(4):
        actors.round_(agent)
    rows, _ = stored.folded(store)
    return stored.ends(rows)


def test_a_child_that_the_kernel_killed_in_a_real_control_group_is_out_of_memory(
    group: Path, shm: Path, redis_url: str
) -> None:
    assert apart(starve, str(group), str(shm), redis_url) == {
        "starved": [("FAILURE", "OUT_OF_MEMORY")],
        "killed": [("FAILURE", "KILLED")],
    }
