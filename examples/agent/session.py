"""Tells what an assistant did in a session: `python -m agent.session s-1 [--json]`."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

from agent.app import monitor


def told(session: str) -> dict[str, Any] | None:
    """Return the runs of a session, the newest first, what they cost together, and how often each tool was used."""
    reader = monitor.reader()
    found = reader.label("session", session)
    if found is None:
        return None
    runs = [run for row in found["runs"] if (run := reader.run(row["id"]))]
    sums: Counter[str] = Counter()
    uses: Counter[str] = Counter()
    for run in runs:
        sums.update({m["measure"]: m["sum"] for m in run["measures"] if m["kind"] == "sum"})
        uses.update(f"{s['span']} ({s['state'].lower()})" for s in run["spans"] if s["kind"] in {"tool", "db"})
    questions = [
        {"run": run["id"], "question": run["description"], "state": run["state"], "seconds": run["duration_seconds"]}
        for run in runs
    ]
    return {
        "session": session,
        "questions": questions,
        "tokens": sums["tokens"],
        "usd": round(sums["cost"], 6),
        "tools": dict(sorted(uses.items())),
        "waits": [w for run in runs for w in run["waits"]],
    }


def main() -> None:
    """Print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("session")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = told(options.session)
    if found is None:
        raise SystemExit(f"nothing is known of the session {options.session!r}")
    if options.json:
        print(json.dumps(found))
        return
    for one in found["questions"]:
        print(f"{one['run']}  {one['state']:<10}  {one['question']}")
    print(f"{found['tokens']:.0f} tokens, {found['usd']} USD; tools: {found['tools']}")


if __name__ == "__main__":
    main()
