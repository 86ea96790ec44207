"""What the demo needs before it starts: the shop's sources, Flower, a free port, a clean environment."""

from __future__ import annotations

import os
import socket
from importlib.util import find_spec
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 5555
"""Flower's own."""
_OURS_TO_SET: Final = ("CELERY_MONITOR_URL", "CELERY_MONITOR_NAMESPACE", "CELERY_MONITOR_ENABLED")


class DemoError(RuntimeError):
    """The demo cannot run as asked; the text says why and what to do."""


def find_examples() -> Path:
    """Return the folder of the examples; they are part of the source tree, not of the wheel."""
    places = (Path(__file__).resolve().parents[2] / "examples", Path.cwd() / "examples")
    for folder in places:
        if (folder / "shop" / "app.py").is_file():
            return folder
    raise DemoError(
        f"the demo's shop is neither at {places[0]} nor at {places[1]}: it is part of the source tree; "
        "clone the repository and run python3 dev.py demo there"
    )


def check_flower() -> None:
    """Raise `DemoError` when Flower is not installed."""
    if find_spec("flower") is None:
        raise DemoError("the demo shows a tab in Flower, which is not installed: pip install 'celery-monitor[demo]'")


def choose_port(port: int) -> int:
    """Return the port for Flower: the given one, or with 0 the first that is free from 5555 on.

    Raises:
        DemoError: it is taken; the text names one that is free.
    """
    if port and _is_free(port):
        return port
    start = port + 1 if port else DEFAULT_PORT
    other = next((p for p in range(start, min(start + 100, 65536)) if _is_free(p)), None)
    if port or other is None:
        hint = f"; give another one: --port {other}" if other else "; give another one with --port"
        raise DemoError(f"port {port or DEFAULT_PORT} on {HOST} is taken{hint}")
    return other


def _is_free(port: int) -> bool:
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as Flower does: TIME_WAIT is no obstacle
        try:
            s.bind((HOST, port))
        except OSError:
            return False
        return True


def environment(url: str, ledger: Path, examples: Path) -> dict[str, str]:
    """Return the environment of the demo's processes: ours, without what would redirect Celery or Flower."""
    env = {
        key: value
        for key, value in os.environ.items()
        if key not in _OURS_TO_SET and (key.startswith("CELERY_MONITOR_") or not key.startswith(("CELERY_", "FLOWER_")))
    }
    path = [str(examples), *filter(None, [env.get("PYTHONPATH")])]
    return env | {
        "SHOP_REDIS_URL": url,
        "SHOP_LEDGER": str(ledger),
        "PYTHONPATH": os.pathsep.join(path),
        "PYTHONUNBUFFERED": "1",
    }
