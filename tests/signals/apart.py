"""Runs a test's function in a fresh Python, which may fork, be killed, fill a tmpfs or live in a pid namespace."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeVar

from celery_monitor.cli.child import die_with_parent
from tests.parts import ROOT

T = TypeVar("T")
COMMAND = (sys.executable, "-c", "from tests.signals import apart; apart.main()")


def apart(
    function: Callable[..., T],
    *args: Any,
    prefix: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    seconds: float = 60.0,
) -> T:
    """Return what a module's function returns in a Python of its own, without threads of ours.

    Args:
        function: found again by its module and name.
        args: whatever can be pickled.
        prefix: words before the command, like ``("unshare", "-fp")``.
        env: variables added to its environment.
        seconds: how long it may take.

    Raises:
        AssertionError: it raised, or ended without an answer; with its output.
    """
    process, answer = start(function, *args, prefix=prefix, env=env)
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # Python's fault handler tells where it was
        output, _ = process.communicate()
        output += b"\nnot done in time"
    raw = read(answer)
    if process.returncode or not raw:
        raise AssertionError(f"{function.__name__} ended with {process.returncode}:\n{output.decode()}")
    result: T = pickle.loads(raw)
    return result


def start(
    function: Callable[..., Any],
    *args: Any,
    prefix: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the function and return its process and the descriptor that its answer can be read from."""
    answer, theirs = os.pipe()
    call = pickle.dumps((function.__module__, function.__name__, args))
    process = subprocess.Popen(
        [*prefix, *COMMAND],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {}), "APART_FD": str(theirs), "PYTHONFAULTHANDLER": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=(theirs,),
        preexec_fn=die_with_parent(),
    )
    os.close(theirs)
    assert process.stdin is not None
    process.stdin.write(call)
    process.stdin.close()
    process.stdin = None
    return process, answer


def read(answer: int) -> bytes:
    """Return everything that was written to the other end."""
    with os.fdopen(answer, "rb") as pipe:
        return pipe.read()


def main() -> None:
    """Call what the caller named and write down what it returns."""
    module, name, args = pickle.loads(sys.stdin.buffer.read())
    fd = int(os.environ["APART_FD"])
    os.set_inheritable(fd, False)
    result = getattr(import_module(module), name)(*args)
    os.write(fd, pickle.dumps(result))
