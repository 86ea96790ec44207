"""An instance's own file: its lock says who drains the instance, its intent makes a flush survive the agent's death.

Before a batch is sent, the intent (the batch's number, the offset each ring's tail will move to) is written; after the
acknowledgement the tails move and the number is settled. Whoever takes the lock of a dead agent sends the open intent
again under the same (instance, number), so the fold drops it if it had arrived.

Layout (little endian): ``8s magic, I version, I size of the name`` at 0, the name (JSON) at 16; at 1024 ``Q settled``,
at 1032 ``Q intended, I crc32 of the entries, I entries``; entries ``8s ring id, Q offset`` from 4096.
"""

from __future__ import annotations

import fcntl
import json
import mmap
import os
from pathlib import Path
from struct import Struct
from typing import Any, Final
from zlib import crc32

from celery_monitor.signals.ring import put_number

MAGIC: Final = b"CELMONJL"
VERSION: Final = 1
SIZE: Final = 64 * 1024
_HEAD: Final = Struct("<8sII")
_SETTLED: Final = Struct("<Q")
_INTENT: Final = Struct("<QII")
_ENTRY: Final = Struct("<8sQ")
_NAME_AT, _SETTLED_AT, _INTENT_AT, _ENTRIES_AT = 16, 1024, 1032, 4096
_MOST: Final = (SIZE - _ENTRIES_AT) // _ENTRY.size


class Journal:
    """The journal of one instance.

    Attributes:
        settled: number of the last batch that was acknowledged.
        path: the file, None when there is no tmpfs and the journal lives in memory only.

    """

    def __init__(self, memory: mmap.mmap, fd: int, path: Path | None) -> None:
        self._map, self._fd, self.path = memory, fd, path

    @classmethod
    def create(cls, folder: Path | None, instance: bytes, about: dict[str, Any]) -> Journal:
        """Make this instance's journal and take its lock; in memory when there is no folder or no room."""
        if folder is not None:
            try:
                return cls._at(folder / f"{instance.hex()}.agent", about)
            except OSError:
                pass  # the ring's own note says that the tmpfs is full or missing
        journal = cls(mmap.mmap(-1, SIZE), -1, None)
        journal._write_head(about)
        return journal

    @classmethod
    def _at(cls, path: Path, about: dict[str, Any]) -> Journal:
        """Make the file under a hidden name, for nobody may find it before it is whole and locked."""
        hidden = path.with_name(f".{os.getpid()}-{os.urandom(6).hex()}")
        fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.posix_fallocate(fd, 0, SIZE)
            journal = cls(mmap.mmap(fd, SIZE), fd, path)
            journal._write_head(about)
            os.link(hidden, path)  # fails where a rename would replace another's
        except BaseException:
            os.close(fd)
            raise
        finally:
            hidden.unlink(missing_ok=True)
        return journal

    @classmethod
    def take_over(cls, path: Path) -> Journal | None:
        """Open the journal of an agent that died and take its lock; None when it lives or the file is not whole."""
        try:
            fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            memory = mmap.mmap(fd, SIZE)
        except (OSError, ValueError):
            os.close(fd)
            return None
        journal = cls(memory, fd, path)
        if _HEAD.unpack_from(memory, 0)[:2] != (MAGIC, VERSION):
            journal.close()
            return None
        return journal

    def _write_head(self, about: dict[str, Any]) -> None:
        raw = json.dumps(about).encode()[: _SETTLED_AT - _NAME_AT]
        self._map[_NAME_AT : _NAME_AT + len(raw)] = raw
        _HEAD.pack_into(self._map, 0, MAGIC, VERSION, len(raw))

    @property
    def about(self) -> dict[str, Any]:
        """What the instance's agent wrote of itself: hostname, role, pid."""
        size = _HEAD.unpack_from(self._map, 0)[2]
        try:
            found = json.loads(self._map[_NAME_AT : _NAME_AT + size])
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def settled(self) -> int:
        """Number of the last acknowledged batch."""
        number: int = _SETTLED.unpack_from(self._map, _SETTLED_AT)[0]
        return number

    def intend(self, n: int, offsets: dict[bytes, int]) -> None:
        """Write down that batch `n` is about to be sent and where the tails of its rings will stand."""
        raw = b"".join(_ENTRY.pack(ring_id, at) for ring_id, at in list(offsets.items())[:_MOST])
        _INTENT.pack_into(self._map, _INTENT_AT, 0, 0, 0)
        self._map[_ENTRIES_AT : _ENTRIES_AT + len(raw)] = raw
        _INTENT.pack_into(self._map, _INTENT_AT, n, crc32(raw), len(raw) // _ENTRY.size)

    def intent(self) -> tuple[int, dict[bytes, int]] | None:
        """Return the batch that was about to be sent and not settled; None when there is none."""
        n, crc, entries = _INTENT.unpack_from(self._map, _INTENT_AT)
        raw = self._map[_ENTRIES_AT : _ENTRIES_AT + entries * _ENTRY.size]
        if n <= self.settled or crc32(raw) != crc:
            return None
        return n, dict(_ENTRY.iter_unpack(raw))

    def settle(self, n: int) -> None:
        """Note that batch `n` was acknowledged; call it after the tails have moved."""
        put_number(self._map, _SETTLED_AT, n)

    def close(self, *, remove: bool = False) -> None:
        """Give the lock back; `remove` deletes the file first."""
        if remove and self.path is not None:
            self.path.unlink(missing_ok=True)
        self._map.close()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
