"""Looks at the broker's queues and at the two servers for the tick, and hands in what was seen as gauges."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from celery_monitor.agent import tally
from celery_monitor.brokers import health
from celery_monitor.brokers.sample import QueueSample
from celery_monitor.brokers.sampler import Sampler
from celery_monitor.live_state import AgentState
from celery_monitor.model import Batch
from celery_monitor.query import live
from celery_monitor.settings import Settings
from celery_monitor.store import broker, inbox
from celery_monitor.store.broker import Look
from celery_monitor.store.connection import Store

_MOST_NOTED: Final = 200


class QueueSamples:
    """Samples for one process; keeps what rates are taken from between two looks.

    Parameters:
        app: the Celery app; its configuration names queues and the broker.
        settings: the checked ones.
    """

    def __init__(self, app: Any, settings: Settings) -> None:
        self._app, self._interval_s = app, settings.queue_interval
        self._sampler = Sampler(app, settings.rabbitmq_api)
        self._boot, self._n = os.urandom(16), 0

    def look(self, store: Store, agents: list[AgentState], seen: Callable[[int], Iterable[str]], now_us: int) -> None:
        """Sample if it is time.

        Parameters:
            agents: every agent's last state.
            seen: asked for the queues that tasks were ever published to or taken from.
            now_us: the store's clock.

        Raises:
            StoreError: the store does not answer.
        """
        before = broker.load(store)
        # Not by a clock of one's own: any child of a pool may be the next to tick.
        if 0 <= now_us - before.get("at_us", 0) < self._interval_s * 0.9e6:
            return
        workers = live.serving(agents, now_us)
        consumed = live.consumers(workers)
        names = {*consumed, *self._app.amqp.queues, *seen(now_us), *self._sampler.declared()}
        found = self._sampler.sample(sorted(names), now_us, consumed=consumed)
        look: Look = {
            "at_us": now_us,
            "kind": self._sampler.kind,
            "notes": dict([(name, sample.note) for name, sample in found.items() if sample.note][:_MOST_NOTED]),
            "oldest": {name: list(sample.oldest) for name, sample in found.items() if sample.oldest},
            "health": self._health(store),
            "visibility_s": live.visibility_s(workers, before),
            "interval_s": self._interval_s,
        }
        self._n += 1
        batch = Batch(self._boot, self._n, "ticker", now_us)
        _add_queues(batch, found, workers, now_us)
        _add_servers(batch, look, before, now_us)
        if batch:
            inbox.send(store, batch, None)
        broker.write(store, look)

    def close(self) -> None:
        """Close the connection to the broker; the next look opens another."""
        self._sampler.close()

    def _health(self, store: Store) -> dict[str, dict[str, Any]]:
        found = {"broker": self._sampler.health(), "store": health.read(store.servers()[0])}
        return {name: told for name, told in found.items() if told is not None}


def _add_queues(batch: Batch, found: Mapping[str, QueueSample], workers: list[AgentState], now_us: int) -> None:
    """Add the gauges of every queue: what the broker says, and what the workers hold and run."""
    held, eta, running = live.held(workers), live.eta_held(workers), live.running(workers)
    consumers = live.consumers(workers)
    for name, sample in found.items():
        levels = sample.gauges()
        if name in consumers:
            levels |= {"held": held.get(name, 0), "eta_held": eta.get(name, 0), "running": running.get(name, 0)}
        for gauge, value in levels.items():
            tally.gauge(batch.metrics, ("queue", name), gauge, float(value), now_us)


def _add_servers(batch: Batch, look: Look, before: Look, now_us: int) -> None:
    """Add the gauges of broker and store, where they are a Redis."""
    seconds = (now_us - before["at_us"]) / 1e6 if before else 0.0
    for server, told in look["health"].items():
        was = before.get("health", {}).get(server)
        for gauge, value in health.gauges(told, was, seconds).items():
            tally.gauge(batch.metrics, ("redis", server), gauge, value, now_us)
