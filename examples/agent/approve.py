"""Shows what waits for a person, or decides: `python -m agent.approve [RUN --by NAME [--refuse]]`."""

from __future__ import annotations

import argparse

from agent.app import monitor
from agent.tasks import APPROVAL, decide, decision_id


def main() -> None:
    """List the open approvals, or publish a decision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", nargs="?", help="id of the run to decide on; without it the open ones are listed")
    parser.add_argument("--by", default="somebody")
    parser.add_argument("--refuse", action="store_true")
    options = parser.parse_args()
    if options.run:
        outcome = "refused" if options.refuse else "approved"
        decide.apply_async((options.run, outcome, options.by), task_id=decision_id(options.run))
        return
    for wait in monitor.reader().waits(state="open", name=APPROVAL)["waits"]:
        print(f"{wait['run_id']}  {wait['workflow']}  waits for {wait['age_seconds']:.0f} s")


if __name__ == "__main__":
    main()
