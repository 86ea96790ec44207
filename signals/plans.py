"""Opens the plan in a published message: the steps behind it in its chain, and the body of its chord.

What is planned may never be published, so it is recorded with the message that brings it: once per plan, with at most
`MOST` ids, and the rest as numbers per task name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from time import time_ns
from typing import Any, Final, NamedTuple

from celery_monitor.signals import process
from celery_monitor.signals.layout import LENGTH, MAX_NAME, PLAN, STEP
from celery_monitor.signals.record import Kind, pack_id

MOST: Final = 500
_MOST_NAMES: Final = 100
_MOST_SIGNATURES: Final = 100_000
_DEEP: Final = 50  # nesting is shallow; a bound keeps a forged message from spinning us
_SHARE_OF_RING: Final = 10
_RECORD_BYTES: Final = 12 * 1024  # of ids and steps in one record; names come on top
_REMEMBERED: Final = 2048
_CONTAINERS: Final = frozenset({"celery.group", "celery.chain", "celery.chord"})
_NOTHING: Final[Mapping[str, Any]] = {}
_recent: dict[str, None] = {}
"""Ids recorded lately: each message of a chord's header holds the same body."""
process.after_fork.append(_recent.clear)


class Step(NamedTuple):
    """A planned step; with an empty id it stands for so many `steps` of a task name."""

    id: str
    task: str
    queue: str = ""
    after: str = ""
    group: str = ""
    body: int = 0
    steps: int = 1


class Opened:
    """The steps found so far.

    Parameters:
        known: ids that are left out, and not opened again.
        most: ids to keep; the steps over that are counted in `rest`.

    """

    def __init__(self, known: Iterable[str] = (), most: int = MOST) -> None:
        self.steps: list[Step] = []
        self.rest: Counter[str] = Counter()
        self.marks: dict[str, None] = {}
        self._known, self._most, self._left = known, most, _MOST_SIGNATURES

    def message(self, own: str, group: str, chain: Any, chord: Any) -> Opened:
        """Open what a message of this id holds; returns itself."""
        after = self._chain(chain, own, "", _DEEP)
        self._open(chord, group or after, "", 1, _DEEP)
        return self

    def _chain(self, steps: Any, after: str, group: str, deep: int) -> str:
        """Open the rest of a chain, its last step first; returns the id that its end is known by."""
        for step in reversed(steps if isinstance(steps, (list, tuple)) else ()):
            after = self._open(step, after, group, 0, deep)
        return after

    def _open(self, step: Any, after: str, group: str, body: int, deep: int) -> str:
        """Open a signature that waits for `after`; returns the id that its end is known by."""
        if not isinstance(step, Mapping) or deep <= 0 or self._left <= 0:
            return after
        self._left -= 1
        task, options = str(step.get("task")), _mapping(step.get("options"))
        own = str(options.get("task_id") or "")
        mark = f"{task} {own}" if task in _CONTAINERS else own
        if own and (mark in self.marks or mark in self._known):
            return _end(step) or after
        self.marks[mark] = None
        if task in _CONTAINERS:
            return self._container(step, own, after, group, body, deep)
        group = str(options.get("group_id") or group)
        self._add(own, task, options.get("queue"), after, group, body)
        end = self._chain(options.get("chain"), own, "", deep - 1)
        self._open(options.get("chord"), group or end, "", 1, deep - 1)
        return end

    def _container(self, step: Mapping[str, Any], own: str, after: str, group: str, body: int, deep: int) -> str:
        kwargs = _mapping(step.get("kwargs"))
        if step.get("task") == "celery.chain":
            for one in _list(kwargs.get("tasks")):
                after, body = self._open(one, after, group, body, deep - 1), 0
        elif step.get("task") == "celery.group":
            for one in _list(kwargs.get("tasks")):
                self._open(one, after, own, body, deep - 1)
            after = own or after
        else:
            header = kwargs.get("header")
            inner = str(_mapping(_mapping(header).get("options")).get("task_id") or own)
            for one in _list(header):
                self._open(one, after, inner, body, deep - 1)
            after = self._open(kwargs.get("body"), inner or after, "", 1, deep - 1)
        return self._chain(_mapping(step.get("options")).get("chain"), after, "", deep - 1)

    def _add(self, own: str, task: str, queue: Any, after: str, group: str, body: int) -> None:
        if own and len(self.steps) < self._most:
            self.steps.append(Step(own, task, str(getattr(queue, "name", queue) or ""), after, group, body))
        elif own:
            self.rest[task if task in self.rest or len(self.rest) < _MOST_NAMES else "other"] += 1


def _list(steps: Any) -> list[Any]:
    if isinstance(steps, Mapping):  # a chord's header may be a group
        steps = _mapping(steps.get("kwargs")).get("tasks")
    return list(steps) if isinstance(steps, (list, tuple)) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    """Return a part of a signature; an empty one where a forged message has something else."""
    return value if isinstance(value, Mapping) else _NOTHING


def _end(step: Mapping[str, Any]) -> str:
    """Return the id that a signature's end is known by, without opening it."""
    for _ in range(_DEEP):
        body = _mapping(step.get("kwargs")).get("body") if step.get("task") == "celery.chord" else None
        if not isinstance(body, Mapping):
            break
        step = body
    return str(_mapping(step.get("options")).get("task_id") or "")


def record(own: str, about: Mapping[str, Any], embed: Mapping[str, Any], run: bytes, workflow: str) -> None:
    """Record what a message plans, as far as its publisher's own message did not plan it already.

    Parameters:
        own: id of the message.
        about: attributes of the request that publishes it, an empty mapping outside tasks.
        embed: holds the message's `chain`, `chord` and, for a message that is being run, `group`.

    """
    chain, chord = embed.get("chain"), embed.get("chord")
    held, held_chord = about.get("chain"), about.get("chord")
    if chain and chain is held and not chord:
        return  # its publisher is the step before it
    known: Mapping[str, None] = _recent
    if held or held_chord:
        known = {**_recent, **Opened().message("", "", held, held_chord).marks}
    found = Opened(known).message(own, str(embed.get("group") or ""), chain, chord)
    for payload in payloads(run, workflow, found):
        process.put(Kind.PLAN, payload)
    if len(_recent) > _REMEMBERED:
        _recent.clear()
    _recent.update(dict.fromkeys(list(found.marks)[:MOST]))


def payloads(run: bytes, workflow: str, found: Opened) -> Iterator[bytes]:
    """Yield PLAN payloads of at most a tenth of a ring together; what does not fit is counted."""
    room, at = process.place.size // _SHARE_OF_RING, 0
    at_us, rest = time_ns() // 1000, Counter(found.rest)
    while at < len(found.steps):
        payload, upto = _packed(at_us, run, workflow, found.steps, at)
        room -= len(payload)
        if room < 0:
            rest.update(step.task for step in found.steps[at:])
            break
        yield payload
        at = upto
    if rest:
        counted = [Step("", task, steps=n) for task, n in rest.most_common(_MOST_NAMES)]
        yield _packed(at_us, run, workflow, counted, 0)[0]


def _packed(at_us: int, run: bytes, workflow: str, steps: list[Step], at: int) -> tuple[bytes, int]:
    """Return the payload of the steps from `at` that fit into one record, and the offset behind them."""
    ids: dict[str, int] = {"": 0}
    names: dict[str, int] = {"": 0}
    rows, size, raw_ids = [], 0, b""
    for step in steps[at:]:
        for text in (step.id, step.after, step.group):
            if text not in ids:
                ids[text] = len(ids)
                raw = pack_id(text)
                raw_ids += bytes((len(raw),)) + raw
        numbers = [names.setdefault(name[:MAX_NAME].replace("\0", ""), len(names)) for name in (step.task, step.queue)]
        rows.append(STEP.pack(ids[step.id], ids[step.after], ids[step.group], *numbers, step.body, step.steps))
        size = len(raw_ids) + len(rows) * STEP.size + sum(map(len, names))
        if size > _RECORD_BYTES:
            break
    texts = "\0".join([workflow[:MAX_NAME].replace("\0", ""), *list(names)[1:]]).encode("utf-8", "replace")
    head = PLAN.pack(at_us, run, len(ids) - 1, len(rows))
    return head + raw_ids + b"".join(rows) + LENGTH.pack(len(texts)) + texts, at + len(rows)
