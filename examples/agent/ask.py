"""Asks a question and prints the id of its run: `python -m agent.ask QUESTION --session s-1 --user anna`.

The answer comes from the workers; `agent.session` tells what became of it.
"""

from __future__ import annotations

import argparse

from agent.tasks import ask


def main() -> None:
    """Publish the question."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question")
    parser.add_argument("--session", required=True)
    parser.add_argument("--user", required=True)
    parser.add_argument("--tier", default="free")
    options = parser.parse_args()
    print(ask(options.question, options.session, options.user, options.tier))


if __name__ == "__main__":
    main()
