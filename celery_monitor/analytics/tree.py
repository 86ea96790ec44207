"""The tree of a run: one node per attempt, and edges that belong to attempts, so that a replaced task makes no loop."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from celery_monitor.analytics.executions import Execution, end_of
from celery_monitor.model import Attempt
from celery_monitor.signals.record import Flag, State, pack_id

ROOT: Final = b""
_UNSTARTED: Final = int(Flag.UNSTARTED)
_NAMES: Final = {int(state): state.name for state in State}


class Node(NamedTuple):
    """An attempt, ended or running, or an execution of which only the message is known.

    Attributes:
        key: uid of the attempt; the id of an execution without one.
        published_us: 0 unknown.
        started_us: of a message that waits, when it was published.
        ended_us: 0 while it runs or waits.
    """

    started_us: int
    key: bytes
    id: bytes
    task: str
    state: str
    published_us: int
    ended_us: int
    runtime_us: int
    parent_id: bytes
    group: bytes
    worker: str
    body: bool  # a body ran


def nodes(executions: Iterable[Execution], now_us: int) -> list[Node]:
    """Return the nodes of some executions in the order of their start."""
    found: list[Node] = []
    for one in executions:
        found += [_ended(a) for a in one.attempts]
        if one.running:
            found.extend(_running(one, now_us))
        if not one.attempts and not one.running:
            p = one.publishes[-1]
            at = p.published_us
            found.append(Node(at, p.id, p.id, p.task, "WAITING", at, 0, 0, p.parent, p.group, "", body=False))
    found.sort()
    return found


def _ended(a: Attempt) -> Node:
    state = _NAMES[a.state]
    body = not a.flags & _UNSTARTED
    ran = max(a.runtime_us, 0)
    ended = end_of(a)
    started = a.started_us or ended
    return Node(started, a.uid, a.id, a.task, state, a.published_us, ended, ran, a.parent, a.group, a.worker, body)


def _running(one: Execution, now_us: int) -> Iterable[Node]:
    for r in one.running:
        _, parent, group = r.get("ids") or ("", "", "")
        started = r["started_us"]
        published = one.publishes[-1].published_us if one.publishes else 0
        yield Node(
            started, bytes.fromhex(r["uid"]), one.id, r["task"], State.STARTED.name, published, 0,
            max(now_us - started, 0), _packed(parent), _packed(group), "", body=True,
        )  # fmt: skip


def _packed(text: str) -> bytes:
    return pack_id(text) if text else b""


def edges(ordered: list[Node]) -> dict[bytes, bytes]:
    """Return the parent's key of every node, `ROOT` for none: the attempt that published it.

    That is the last attempt of the parent execution that had started when the message went out. Clocks of hosts may
    disagree about that, so an edge that would close a loop is left out.

    Parameters:
        ordered: as `nodes` returns them.
    """
    by_id: dict[bytes, list[Node]] = {}
    for node in ordered:
        by_id.setdefault(node.id, []).append(node)
    found: dict[bytes, bytes] = {}
    ahead: set[bytes] = set()  # parents that start after their children: only through them can a loop close
    for node in ordered:
        parent = _parent(node, by_id.get(node.parent_id, []))
        if node.key in ahead and _leads_to(found, parent, node.key):
            parent = ROOT
        found[node.key] = parent
        if parent != ROOT and parent not in found:
            ahead.add(parent)
    return found


def _parent(node: Node, candidates: list[Node]) -> bytes:
    if not candidates:
        return ROOT
    if node.parent_id == node.id:  # replaced by a task: its own earlier attempt
        at = candidates.index(node)
        return candidates[at - 1].key if at else ROOT
    at = bisect_right([c.started_us for c in candidates], node.published_us or node.started_us)
    return candidates[max(at - 1, 0)].key


def _leads_to(found: Mapping[bytes, bytes], start: bytes, target: bytes) -> bool:
    at = start
    while at != ROOT:
        if at == target:
            return True
        at = found.get(at, ROOT)
    return False
