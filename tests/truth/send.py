"""Publishes single messages in a process of its own: ``[[id, task, args], ...]`` in JSON on standard input."""

from __future__ import annotations

import json
import sys

from tests.truth.app import app


def main() -> None:
    """Publish what standard input names."""
    for task_id, name, args in json.load(sys.stdin):
        app.tasks[f"truth.{name}"].apply_async(args=args, task_id=task_id)


if __name__ == "__main__":
    main()
