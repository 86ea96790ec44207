"""Finds the directory on a tmpfs where rings lie: ours alone, and of this namespace and store alone."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import Final

DEFAULTS: Final = ("/dev/shm", "/run")  # noqa: S108 - checked for owner and mode below
_ROOTS: Final = frozenset({"tmpfs", "ramfs"})


def find(runtime_dir: str | None, namespace: str, url: str) -> tuple[Path | None, str]:
    """Return the directory for rings, or None and why there is none.

    It is ``<base>/celery-monitor-<uid>/<digest of namespace and store>``, mode 0700, owned by us, reached without
    following links; the base is `runtime_dir`, else the first of /dev/shm and /run that is a tmpfs we can write.
    """
    problem = "no tmpfs is mounted at /dev/shm or /run"
    digest = hashlib.blake2b(f"{namespace}\0{url}".encode(), digest_size=8).hexdigest()
    for base in (runtime_dir,) if runtime_dir else DEFAULTS:
        if not on_tmpfs(base):
            problem = f"{base} is no tmpfs (a disk may block a task while pages are written back)"
            continue
        try:
            ours = Path(base) / f"celery-monitor-{os.getuid()}"
            _own(ours)
            _own(ours / digest)
        except OSError as error:
            problem = f"{base}: {error.strerror or error}"
            continue
        return ours / digest, ""
    return None, problem


def on_tmpfs(path: str) -> bool:
    """Tell whether a path lies on memory, from /proc/mounts."""
    try:
        real = os.path.realpath(path)
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return False
    holding = [(len(at), kind) for at, kind in mounts if real == at or real.startswith(at.rstrip("/") + "/")]
    return bool(holding) and max(holding)[1] in _ROOTS


def _own(folder: Path) -> None:
    """Make a directory of ours, or check the one that is there; raises OSError when it is not ours alone."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        about = folder.lstat()
        if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or stat.S_IMODE(about.st_mode) != 0o700:
            raise PermissionError(1, "is not a directory of ours with mode 0700", str(folder)) from None
