"""The console script `celery-monitor`; what concerns a project of yours is `celery -A proj monitor`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from celery_monitor.cli import demo
from celery_monitor.cli.embedded import EmbeddedServerError
from celery_monitor.cli.fleet import ProcessEndedError
from celery_monitor.cli.preflight import DEFAULT_PORT, DemoError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Returns:
        0, also after Ctrl-C; 1 when something failed; 2 for wrong usage; 130 when `--seconds` was cut short.
    """
    options = _parser().parse_args(arguments)
    try:
        return demo.run(options.seconds, options.port)
    except KeyboardInterrupt:
        print("\nEnded.", flush=True)
        return 130 if options.seconds else 0
    except (DemoError, EmbeddedServerError, ProcessEndedError) as error:
        print(f"\ncelery-monitor demo: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="celery-monitor", description="See what your Celery app does.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser(
        "demo",
        help="run a shop with two workers, beat, Flower with the tab, and a workload",
        description="Runs until Ctrl-C. Uses the server in REDIS_URL, else starts one of its own.",
    )
    command.add_argument(
        "--seconds",
        type=_positive,
        help="end after that many seconds, compare published with recorded, exit 1 when they differ",
    )
    command.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="of Flower, on 127.0.0.1 (default 5555; 0: any that is free)"
    )
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r}: give seconds, more than 0 and at most 86400")
    return number


def _port(text: str) -> int:
    if not text.isdecimal() or not int(text) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r}: give a port, 1 to 65535, or 0 for any that is free")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
