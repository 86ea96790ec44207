"""The summary of docs/api.md as data, so that the page of the API and whoever renders it stay one."""

from __future__ import annotations

import json
from typing import Any

from tests.parts import ROOT


def documented() -> dict[str, Any]:
    """Return the example of ``GET /summary``, its abbreviated parts filled in."""
    text = (ROOT / "docs" / "api.md").read_text("utf-8").split("```json\n")[1].split("```")[0]
    found: dict[str, Any] = json.loads(text.replace('{"…": "as above"}', "{}"))
    _fill(found, found["totals"]["runtime_seconds"])
    return found


def _fill(value: Any, durations: dict[str, Any]) -> None:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in children:
        _fill(child, durations)
    if isinstance(value, dict):
        for name in ("runtime_seconds", "wait_seconds", "cpu_seconds"):
            if value.get(name) == {}:
                value[name] = dict(durations)
