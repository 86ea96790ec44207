"""`celery-monitor demo`: a shop with two workers, beat, Flower with the tab and customers, on its own server."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any, Final

import redis

from celery_monitor.cli.embedded import EmbeddedServer
from celery_monitor.cli.fleet import Fleet
from celery_monitor.cli.preflight import DEFAULT_PORT, HOST, check_flower, choose_port, environment, find_examples
from celery_monitor.cli.tally import Tally, recorded, settle, waiting
from celery_monitor.signals import process

WORKERS: Final = {"counter": ("orders", "payments"), "backoffice": ("media", "mail", "reports")}
"""Worker name to its queues."""
SETTLE_S: Final = 60.0
"""The longest delay in the shop is 12 s (an ETA) and a few retries; the rest is for a loaded machine."""


def run(seconds: float | None = None, port: int = DEFAULT_PORT) -> int:
    """Run the demo until it is interrupted, or for `seconds`; return the exit code.

    Args:
        seconds: then stop publishing, wait for the rest, and compare published with recorded.
        port: of Flower, on the loopback interface; 0 for any that is free.

    Returns:
        0; with `seconds` 1 when published and recorded differ.

    Raises:
        DemoError, EmbeddedServerError, ProcessEndedError: with a text for the user.
    """
    examples = find_examples()
    check_flower()
    port = choose_port(port)
    with _interruptible(), EmbeddedServer(os.environ.get("REDIS_URL")) as server, _log_folder() as logs:
        # A worker that is killed at the end leaves billiard's temporary folder; there it goes with the logs.
        env = environment(server.url, logs / "ledger.txt", examples) | {"TMPDIR": str(logs)}
        os.environ.update({key: env[key] for key in ("SHOP_REDIS_URL", "SHOP_LEDGER")})
        app = _import_app(examples)
        demo = _Demo(app, server, Fleet(examples, logs, env), port, logs)
        try:
            demo.start()
            return demo.watch(seconds)
        finally:
            demo.fleet.stop()
            if not server.given and process.place.folder is not None:
                # Named after a server that is gone: nobody would look into it again.
                shutil.rmtree(process.place.folder, ignore_errors=True)


def _import_app(examples: Path) -> Any:
    sys.path.insert(0, str(examples))
    return import_module("shop.app").app


class _Demo:
    """The running demo: its processes and what is said about them."""

    def __init__(self, app: Any, server: EmbeddedServer, fleet: Fleet, port: int, logs: Path) -> None:
        self.app = app
        self.server = server
        self.fleet = fleet
        self.port = port
        self.logs = logs
        self.ledger = import_module("shop.ledger")
        self.before = recorded(self.reader().lifetime())  # not 0 on a server that was given

    def reader(self) -> Any:
        """The monitor's reader."""
        return self.app.celery_monitor.reader()

    def published(self) -> Counter[str]:
        """What the shop's own ledger counts."""
        counts: Counter[str] = self.ledger.published(self.logs / "ledger.txt")
        return counts

    def start(self) -> None:
        """Start everything and say what to look at."""
        say(f"Starting on {'REDIS_URL' if self.server.given else 'a Redis of its own'}:", end=" ")
        celery = [sys.executable, "-m", "celery", "-A", "shop.app"]
        for name, queues in WORKERS.items():
            command = ["worker", "-n", f"{name}@%h", "-c", "2", "-Q", ",".join(queues), "-l", "INFO"]
            self.fleet.start(f"worker-{name}", celery + command)
        schedule = str(self.logs / "schedule")
        self.fleet.start("beat", [*celery, "beat", "-l", "INFO", "-s", schedule, "--pidfile="])
        self.fleet.start("flower", [*celery, "flower", f"--address={HOST}", f"--port={self.port}"])
        for name in WORKERS:
            self.fleet.wait_ready(f"worker-{name}", lambda member: " ready." in member.log.read_text(errors="replace"))
            say(f"worker {name},", end=" ")
        self.fleet.wait_ready("flower", lambda _: get(self.port, "/monitor") == 200)
        say("beat, Flower.")
        self.fleet.start("workload", [sys.executable, "-m", "shop.workload"])
        self.fleet.wait_ready("workload", lambda _: self.published().total() > 0)
        say(_WHERE.format(url=f"http://{HOST}:{self.port}/monitor", logs=self.logs))

    def watch(self, seconds: float | None) -> int:
        """Watch the processes; with `seconds` end by itself with the comparison."""
        until = time.monotonic() + seconds if seconds else None
        while until is None or time.monotonic() < until:
            self.fleet.check()
            time.sleep(0.2)
        say("Publishing ends; waiting for what is on its way ...")
        self.fleet.stop("workload", "beat")
        tally = self.compare()
        say("\n".join(tally.lines()))
        if not tally.agrees:
            say("Published and recorded differ.")
            return 1
        say("Every published task is recorded.")
        return 0

    def compare(self) -> Tally:
        """Wait until nothing is on its way, and return published against recorded."""
        queues = [queue for names in WORKERS.values() for queue in names]
        reader = self.reader()

        def look() -> tuple[Tally, int]:
            self.fleet.check()
            left = waiting(client, queues)
            seen = recorded(reader.lifetime())
            seen.subtract(self.before)
            return Tally(self.published(), seen), left

        with redis.Redis.from_url(self.server.client_url) as client:
            return settle(look, SETTLE_S)


_WHERE: Final = """
  {url}

  Open it in a browser and watch: orders are chains over three queues, payments are retried, webhooks fail
  at the end, reports are chords whose charts are slow, queries run into a time limit, mails wait for their time.
  Logs: {logs}
  Ctrl-C ends everything.
"""


def get(port: int, path: str) -> int | None:
    """Return the status of a GET on the loopback interface, None when nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    with contextlib.closing(connection):
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None


def say(text: str, end: str = "\n") -> None:
    """Write to the terminal at once."""
    print(text, end=end, flush=True)


@contextlib.contextmanager
def _log_folder() -> Iterator[Path]:
    """Give a folder for logs; it stays behind when something went wrong."""
    folder = Path(tempfile.mkdtemp(prefix="celery-monitor-demo-"))
    try:
        yield folder
    except Exception:
        raise
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    else:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into KeyboardInterrupt, so that every way out cleans up."""

    def interrupt(_signum: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    numbers = (signal.SIGTERM, signal.SIGHUP)
    before: list[Callable[..., Any] | int | None] = [signal.signal(number, interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
