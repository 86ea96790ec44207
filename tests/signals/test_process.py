"""Who a process is after a fork: a pool child shares its parent's instance, any other is one of its own."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from celery_monitor.agent.drain import RingReader
from celery_monitor.agent.instance import Instance
from celery_monitor.agent.journal import Journal
from celery_monitor.signals import handlers, process, ring
from celery_monitor.signals.record import Kind
from tests.signals.apart import apart


def forked(function: Callable[[], Any]) -> Any:
    """Return what a function returns in a fork of this process."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(theirs, json.dumps(function()).encode())
        finally:
            os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        raw = pipe.read()
    os.waitpid(child, 0)
    return json.loads(raw)


def who() -> dict[str, Any]:
    process.put(Kind.PUBLISH, b"x")
    me = process.me
    assert me.writer is not None
    return {
        "instance": me.instance.hex(),
        "role": me.role,
        "ring": me.writer.ring.ring_id.hex(),
        "file": me.writer.ring.path is not None,
    }


def child_of_a_pool() -> dict[str, Any]:
    process.become_child()
    return who()


def family(folder: str | None) -> dict[str, dict[str, Any]]:
    """A worker's parent, two pool children and another process that was forked from it."""
    process.place.folder = Path(folder) if folder else None
    process.me.role = "worker"
    process.before_fork_of_child()
    first = forked(child_of_a_pool)
    parent = who()
    process.before_fork_of_child()
    second = forked(child_of_a_pool)
    other = forked(who)
    return {"parent": parent, "first": first, "second": second, "other": other}


@pytest.mark.parametrize("on_tmpfs", [True, False])
def test_a_pool_child_has_a_ring_of_its_own_in_its_parents_instance(tmp_path: Path, on_tmpfs: bool) -> None:
    found = apart(family, str(tmp_path) if on_tmpfs else None)
    assert found["first"]["instance"] == found["second"]["instance"] == found["parent"]["instance"]
    assert found["first"]["role"] == "child"
    assert len({each["ring"] for each in found.values()}) == 4, "no two processes write into one ring"
    assert {each["file"] for each in found.values()} == {on_tmpfs}


def test_any_other_fork_is_an_instance_of_its_own(tmp_path: Path) -> None:
    found = apart(family, str(tmp_path))
    assert found["other"]["instance"] != found["parent"]["instance"]
    assert found["other"]["role"] == "producer"


def grandchildren(folder: str) -> list[str]:
    """A task that forks by itself: its fork is neither the child nor the parent."""
    process.place.folder = Path(folder)
    process.me.role = "worker"
    process.before_fork_of_child()

    def child() -> list[str]:
        mine = child_of_a_pool()
        return [mine["instance"], forked(who)["instance"]]

    return [who()["instance"], *forked(child)]


def test_a_process_that_a_task_forks_is_an_instance_of_its_own(tmp_path: Path) -> None:
    parent, child, grandchild = apart(grandchildren, str(tmp_path))
    assert parent == child != grandchild


def ends_beside_a_fork(folder: str) -> list[tuple[int, int]]:
    """A body that forks and is left by both processes: return of each ring the messages and ends in it."""
    process.place.folder = Path(folder)
    handlers.connect()
    app, me = Celery(set_as_current=False), os.getpid()

    @app.task
    def forks() -> None:
        child = os.fork()
        if child:
            os.waitpid(child, 0)
        else:
            process.put(Kind.PUBLISH, b"x")

    forks.apply()
    if os.getpid() != me:
        os._exit(0)
    found = []
    for path in Path(folder).glob("*.ring"):
        kinds = [kind for kind, _ in RingReader(ring.open_ring(path)).take(100)]
        found.append((kinds.count(Kind.PUBLISH), kinds.count(Kind.ATTEMPT)))
    return sorted(found)


def test_an_attempt_that_is_left_by_a_fork_of_its_process_too_has_one_end(tmp_path: Path) -> None:
    assert apart(ends_beside_a_fork, str(tmp_path)) == [(0, 1), (1, 0)]


def open_files(folder: str) -> list[str]:
    """Return the files of a folder that this process holds open or mapped."""
    held = [
        os.readlink(f"/proc/self/fd/{fd}")
        for fd in os.listdir("/proc/self/fd")
        if os.path.exists(f"/proc/self/fd/{fd}")
    ]
    maps = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines()]
    return sorted({os.path.basename(path) for path in held + maps if path.startswith(folder)})


def files_after_a_fork(folder: str) -> tuple[list[str], list[str], list[str]]:
    process.place.folder = Path(folder)
    process.me.role = "worker"
    process.put(Kind.PUBLISH, b"x")
    journal = Journal.create(Path(folder), process.me.instance, {})
    instance = Instance(process.me.instance, journal, Path(folder), "w", 1 << 20)
    instance.drain([], 0.0, 0)

    def forget() -> None:
        for reader in instance.readers.values():
            reader.ring.close()
        journal.close()

    process.after_fork.append(forget)
    process.before_fork_of_child()

    def child() -> list[str]:
        process.become_child()
        return open_files(folder)

    return open_files(folder), forked(child), forked(lambda: open_files(folder))


def test_no_file_of_the_parents_stays_open_in_a_fork(tmp_path: Path) -> None:
    """A lock lives as long as any process has its file open, so the parent would look alive after its death."""
    parents, childs, others = apart(files_after_a_fork, str(tmp_path))
    assert len(parents) == 2
    assert len(childs) == 1
    assert not set(childs) & set(parents)
    assert others == []


def outlived(folder: str) -> bool:
    """A parent that dies while its fork lives on; return whether its ring is seen as dead."""
    process.place.folder = Path(folder)
    ready, theirs = os.pipe()
    over, open_until = os.pipe()
    parent = os.fork()
    if not parent:
        os.close(open_until)
        process.put(Kind.PUBLISH, b"x")
        if not os.fork():
            os.write(theirs, b"!")
        os.read(over, 1)  # until the test is over
        os._exit(0)
    os.read(ready, 1)
    os.kill(parent, 9)
    os.waitpid(parent, 0)
    (path,) = Path(folder).glob("*.ring")
    return not ring.open_ring(path).owner_lives()


def test_a_dead_owner_is_seen_as_dead_while_its_fork_lives_on(tmp_path: Path) -> None:
    assert apart(outlived, str(tmp_path))


def crowded(folder: str) -> tuple[int, int]:
    process.place.folder, process.place.size = None, 1 << 40
    for _ in range(3):
        process.put(Kind.PUBLISH, b"x")
    return process.me.dropped, len(process.me.notes)


def test_without_any_memory_records_are_counted_and_nothing_is_raised(tmp_path: Path) -> None:
    assert apart(crowded, str(tmp_path))[0] == 3


def shared_memory() -> list[str]:
    process.me.role = "worker"
    process.before_fork_of_child()
    forked(child_of_a_pool)
    return [payload.decode() for kept in process.me.kept for _, payload in RingReader(kept).take(10)]


def test_what_a_child_wrote_without_a_tmpfs_is_read_by_its_parent_after_its_death() -> None:
    assert apart(shared_memory) == ["x"]
