"""Starts programs that end with this process, even when it is killed."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1  # <linux/prctl.h>


def start(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    signum: int = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own: Ctrl-C in a terminal reaches us alone, and we end ours in order.

    Parameters:
        log: the file that its output is added to.
        env: its whole environment; ours by default.
        signum: what the kernel sends it when the thread that starts it ends: start it from the main thread.
    """
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603 - our own argument list, no shell
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=die_with_parent(signum),  # noqa: PLW1509 - one C call, bound before the fork
        )


def die_with_parent(signum: int = signal.SIGTERM) -> Callable[[], None] | None:
    """Return a `preexec_fn` that has the kernel signal the child when its parent ends; None off Linux.

    The kernel's clock is the parent's *thread*: start such children from the main thread.
    """
    if not sys.platform.startswith("linux"):
        return None
    libc = ctypes.CDLL(None, use_errno=True)  # bound here: between fork and exec nothing should be imported
    parent = os.getpid()

    def arm() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:  # it ended before the request was in place
            os.kill(os.getpid(), signal.SIGKILL)

    return arm
