"""One connection per agent, and none while there is nothing to tell."""

from __future__ import annotations

from celery_monitor.store.connection import Store
from tests.agent import actors
from tests.signals.apart import apart


def connections(watcher: Store) -> int:
    """How many of ours the server has that were opened after the one that asks: other tests share the server."""
    clients = watcher.client.client_list()
    own = watcher.client.client_id()
    return sum(c["name"] == "celery-monitor" and int(c["id"]) > own for c in clients)


def connected_after_rounds(url: str) -> list[int]:
    watcher, store = Store.open(url, "idle"), Store.open(url, "idle")
    watcher.client.ping()
    actors.worker_parent(None)
    agent = actors.agent(None, store)
    counts = []
    actors.run("first")
    actors.round_(agent)  # ships a row
    counts.append(connections(watcher))
    actors.run("second")
    actors.round_(agent)
    counts.append(connections(watcher))
    actors.round_(agent)  # a heartbeat, nothing else
    counts.append(connections(watcher))
    actors.run("third")
    actors.round_(agent)
    counts.append(connections(watcher))
    agent._last.update(send=agent._last["send"] - 6.0)  # a round six seconds later, with nothing to ship
    agent.round()
    counts.append(connections(watcher))
    return counts


def test_a_busy_agent_holds_one_connection_and_an_idle_one_none(redis_url: str) -> None:
    assert apart(connected_after_rounds, redis_url) == [1, 1, 0, 1, 0]


def many_idle_agents(url: str) -> tuple[int, int]:
    watcher = Store.open(url, "idle")
    watcher.client.ping()
    actors.worker_parent(None)
    for n in range(50):
        agent = actors.agent(None, Store.open(url, "idle"))
        agent._own = n.to_bytes(16, "big")
        actors.round_(agent)
    return connections(watcher), watcher.client.hlen(watcher.keys.live)


def test_fifty_idle_agents_are_alive_without_a_connection(redis_url: str) -> None:
    assert apart(many_idle_agents, redis_url) == (0, 50)
