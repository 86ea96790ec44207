"""Publishes rows in a process of its own, which may have a Monitor, and prints what is expected of them."""

from __future__ import annotations

import json
import sys

from tests.truth import outcomes, shapes  # noqa: F401 - they register their rows
from tests.truth.script import EVERYWHERE, named, rows


def main(names: list[str]) -> None:
    """Publish rows, or all of a pool, and print ``{id: [right ends, ...]}`` of them."""
    expected = {}
    for name in [one for word in names for one in (named(word) if word in EVERYWHERE else [word])]:
        print(name, file=sys.stderr, flush=True)
        expected.update(rows[name].publish())
    print(json.dumps(expected), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
