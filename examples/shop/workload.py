"""Customers: publish the shop's work, 15 to 30 tasks a second in waves and bursts, until told to end."""

from __future__ import annotations

import argparse
import math
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from shop import mail, media, orders, payments, reports
from shop.app import app


@dataclass(frozen=True)
class Habit:
    """Something that happens `per_minute` times on average, together with `size` others of its kind."""

    act: Callable[[], object]
    per_minute: float
    size: int = 1


class Shop:
    """The acts of customers and staff, with numbers that run on."""

    def __init__(self) -> None:
        self.orders = 0
        self.pictures = 0

    def order(self) -> None:
        """One order, and the call to the accounting system."""
        self.orders += 1
        orders.place(self.orders)
        payments.webhook.delay(self.orders)

    def upload(self) -> None:
        """A seller's pictures."""
        size = random.randint(9, 40)
        media.upload(list(range(self.pictures, self.pictures + size)))
        self.pictures += size

    def basket(self) -> None:
        """A basket left behind: a reminder soon."""
        mail.remind_later(random.randint(1, 9999), random.uniform(3, 12))

    def newsletter(self) -> None:
        """One newsletter of a burst."""
        mail.newsletter.delay(random.randint(1, 9999))

    def habits(self) -> list[Habit]:
        """Everything that happens, at its rate."""
        return [
            Habit(self.order, 110),
            Habit(self.upload, 18),
            Habit(self.basket, 60),
            Habit(self.newsletter, 6, size=40),
            Habit(reports.nightly, 4),
            Habit(reports.slow_query.delay, 10),
            Habit(media.convert_catalogue.delay, 6),
        ]


def tide(seconds: float) -> float:
    """Return how busy the shop is after that time: a wave of two minutes between 0.6 and 1.4."""
    return 1 + 0.4 * math.sin(2 * math.pi * seconds / 120)


def run(ended: threading.Event, step: float = 0.1) -> None:
    """Publish until `ended`; each step every habit happens with the chance that its rate gives."""
    habits = Shop().habits()
    for habit in habits:  # so that nothing has to be waited for
        habit.act()
    began = last = time.monotonic()
    while not ended.wait(step):
        now = time.monotonic()
        share, last = (now - last) / 60 * tide(now - began), now
        for habit in habits:
            happens = share * habit.per_minute
            for _ in range(int(happens) + (random.random() < happens % 1)):
                for _ in range(habit.size):
                    habit.act()


def main() -> None:
    """Run until SIGTERM or SIGINT, or for `--seconds`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, help="end by itself after that many seconds")
    parser.add_argument("--seed", type=int, default=7, help="seed of the random numbers (default 7)")
    options = parser.parse_args()
    random.seed(options.seed)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    if options.seconds:
        threading.Timer(options.seconds, ended.set).start()
    app.set_default()
    run(ended)


if __name__ == "__main__":
    main()
