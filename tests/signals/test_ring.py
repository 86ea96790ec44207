"""The file a process writes into: whole or not there, locked by its owner, never larger than its tmpfs."""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path

import pytest

from celery_monitor.signals import process, ring
from tests.signals.apart import apart


def test_a_ring_is_seen_by_others_only_when_it_is_whole_and_locked(tmp_path: Path) -> None:
    """A drainer that looks into the folder all the time never finds half a ring, nor one without an owner."""
    stop, wrong = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            for path in tmp_path.glob("*.ring"):
                try:
                    found = ring.open_ring(path)
                except FileNotFoundError:
                    continue
                except ValueError as error:
                    wrong.append(str(error))
                    continue
                if not found.owner_lives():
                    wrong.append(f"{path} had no owner")
                found.close()

    watcher = threading.Thread(target=watch)
    watcher.start()
    made = [ring.create(tmp_path, 4096, 8, os.urandom(16)) for _ in range(100)]
    stop.set()
    watcher.join()
    for each in made:
        each.close()
    assert wrong == []


def test_a_ring_says_who_writes_it(tmp_path: Path) -> None:
    made = ring.create(tmp_path, 65536, 8, b"i" * 16)
    found = ring.open_ring(made.path or tmp_path)
    assert (found.pid, found.parent, found.instance) == (os.getpid(), os.getppid(), b"i" * 16)
    assert (found.capacity, found.slots, found.ring_id) == (65536, 8, made.ring_id)
    assert (made.path or tmp_path).stat().st_mode & 0o777 == 0o600
    found.close()
    made.close()


def test_the_lock_is_free_once_the_owner_has_closed_it(tmp_path: Path) -> None:
    made = ring.create(tmp_path, 65536, 8, b"i" * 16)
    found = ring.open_ring(made.path or tmp_path)
    assert found.owner_lives()
    made.close()
    assert not found.owner_lives()
    third = ring.open_ring(found.path or tmp_path)
    assert third.owner_lives(), "who found the lock free has taken it"
    third.close()
    found.close()


@pytest.mark.parametrize("content", [b"", b"short", b"\0" * 8192, b"CELMONRG" + b"\xff" * 8192])
def test_what_is_no_ring_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.ring"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.ring"):
        ring.open_ring(path)


def test_a_ring_behind_a_link_is_not_followed(tmp_path: Path) -> None:
    made = ring.create(tmp_path, 65536, 8, b"i" * 16)
    link = tmp_path / "link.ring"
    link.symlink_to(made.path or tmp_path)
    with pytest.raises(OSError, match="symbolic"):
        ring.open_ring(link)
    made.close()


def fill_a_small_tmpfs(folder: str) -> tuple[str, list[str], int]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    problem = ""
    try:
        ring.create(Path(folder), 16 * 1024 * 1024, 8, b"i" * 16)
    except OSError as error:
        problem = os.strerror(error.errno or 0)
    left = os.listdir(folder)
    process.place.folder, process.place.size = Path(folder), 16 * 1024 * 1024
    process.put(process.Kind.PUBLISH, b"payload")
    writer = process.me.writer
    assert writer is not None
    return problem, left, writer.ring.capacity


def test_a_full_tmpfs_is_an_error_at_once_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """A sparse file would map and then end its writer with SIGBUS. The process falls back to a smaller ring."""
    problem, left, size = apart(fill_a_small_tmpfs, str(tmp_path), prefix=unshared("-m"))
    assert problem == "No space left on device"
    assert left == []
    assert size == process.LEAST_RING


def no_room_at_all(folder: str) -> tuple[bool, list[str], int]:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    process.place.folder = Path(folder)
    process.put(process.Kind.PUBLISH, b"payload")
    writer = process.me.writer
    assert writer is not None
    return writer.ring.path is None, process.me.notes, len(os.listdir(folder))


def test_without_room_records_go_to_anonymous_memory_and_a_note_says_so(tmp_path: Path) -> None:
    anonymous, notes, files = apart(no_room_at_all, str(tmp_path), prefix=unshared("-m"))
    assert anonymous
    assert files == 0
    assert len(notes) == 1
    assert "anonymous memory" in notes[0]


def unshared(*what: str) -> tuple[str, ...]:
    """Return the words that run a command in namespaces of its own; skip the test where that is not allowed."""
    prefix = ("unshare", *what)
    if os.getuid() != 0 or subprocess.run([*prefix, "true"], check=False, capture_output=True).returncode:
        pytest.skip(f"{' '.join(prefix)} needs root and the capability CAP_SYS_ADMIN")
    return prefix
