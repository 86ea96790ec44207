"""Stamps messages with our header before they are published, and records them once the broker has them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from time import time_ns
from typing import Any, Final

from celery_monitor.signals import attempts, context, header, labels, plans, process
from celery_monitor.signals.attempts import KEY, Open
from celery_monitor.signals.layout import PUBLISH, pack_ids, pack_labels
from celery_monitor.signals.record import Flag, Kind, fixed_id, pack_id
from celery_monitor.signals.run import CHORD, GROUP, UNLOCK, Shape, derive

CLOSED_US: Final = 7 * 86_400_000_000
"""A run takes no new members after so long: an endless one could never be shown, nor let go."""
CLOSED_AT: Final = 100_000
"""Nor more than so many from one process, which is what a process can count without asking anybody."""
_RUNS: Final = 1000
_members: dict[bytes, int] = {}
"""Messages published into a run by this process."""
_told: set[bytes] = set()
"""Continuations that this process has opened."""
_first: dict[bytes, str] = {}
"""Names of runs that several messages begin, each with its own idea of it: the first one's holds for all."""
_continuing: set[str] = set()
"""Messages on their way to the broker that begin a run which continues another."""
_plain = lru_cache(maxsize=1024)(header.tail)
# Bound once: a look-up in a module or an enumeration costs as much as packing a number.
_running, _innermost, _encode, _decode = attempts.running, context.block.get, header.encode, header.read
_NAME, _SAME, _pack_publish, _micros = header.NAME, header.SAME_PERIOD, PUBLISH.pack, attempts.micros
_series = attempts._series  # noqa: SLF001 - the blocks of names that both rooms write
_PUBLISH, _CONTINUES = int(Kind.PUBLISH), int(Flag.CONTINUES)


def forget() -> None:
    """Start anew in a forked process."""
    _members.clear()
    _told.clear()
    _first.clear()
    _continuing.clear()


process.after_fork.append(forget)


def stamp(name: str, headers: dict[str, Any], body: Any) -> None:
    """Write the `cm` header: the publish time is always overwritten, the run is decided here and never blanked."""
    about = headers if "id" in headers else body
    if not isinstance(about, dict):
        return
    request = _running()
    attempt: Open | None = request.get(KEY)
    block = _innermost()
    if block is not None:
        block = context.active(attempt)
    now, since, begun_us = time_ns() // 1000, None, 0
    if attempt is not None and (block is None or about.get("id") == attempt.id):
        since = request.get(_NAME)
        run, tail = _of_attempt(attempt, request, since, name, about, body)
    elif block is not None:
        run, tail, begun_us = _of_block(block, attempt, about, now)
    else:
        since = headers.get(_NAME)
        run, tail = _of_message(since, name, about, headers, body)
    if tail or attempt is not None:  # else it is a single task's, as far as anybody knows
        n = _members[run] = _members.get(run, 0) + 1
        if n == 1 or n > CLOSED_AT:
            run = _counted(run, n, tail, about, new=_is_new(attempt, since, about))
    text = _encode(now, run, tail, begun_us)
    if type(since) is str and since[:_SAME] != text[:_SAME]:
        text = _of_older(since, now, run, tail, about, new=_is_new(attempt, since, about))
    headers[_NAME] = text


def _of_attempt(
    attempt: Open, request: Mapping[str, Any], stamped: object, name: str, about: dict[str, Any], body: Any
) -> tuple[bytes, str]:
    """Return run and tail of a message that an attempt publishes outside of any block of its own."""
    if about.get("replaced_task_nesting"):  # a replacing workflow starts under other ids, and ends under ours
        attempt.replaced = True
    scope = attempt.scope
    if scope is None and type(stamped) is str and "?" in stamped:
        scope = context.scope_of(attempt, request)
    if name == attempt.task and _reschedules(attempt, about, body):
        return _rescheduled(attempt, scope, str(about.get("id")))
    if scope is None:
        workflow = attempt.workflow
        return attempt.run, _plain(workflow) if workflow else ""
    if scope.own and about.get("id") != attempt.id:
        _tell(pack_id(str(about.get("id"))), attempt.run, labels.write(scope.own))
    return attempt.run, scope.tail


def _of_block(block: context.Scope, attempt: Open | None, about: dict[str, Any], now_us: int) -> tuple[bytes, str, int]:
    """Return run, tail and the run's beginning for a message that is published in a block."""
    if attempt is not None and about.get("replaced_task_nesting"):
        attempt.replaced = True
    if now_us - block.begun_us > CLOSED_US:
        block.open_new()
    if block.untold:
        process.put(Kind.LABELS, block.told())
    return block.run, block.tail, block.begun_us


def _of_message(
    stamped: object, name: str, about: dict[str, Any], headers: dict[str, Any], body: Any
) -> tuple[bytes, str]:
    """Return run and tail of a message that nobody's attempt publishes: as it was stamped before, or by its shape."""
    known = header.decode(stamped)
    if known is not None:
        return known.run, header.tail_of(headers[header.NAME])
    args, embed = (body[0], body[2]) if isinstance(body, (tuple, list)) and len(body) == 3 else (None, about)
    run, workflow = derive(
        Shape(
            name, str(about.get("id")), about.get("root_id"), about.get("group") or about.get("taskset"),
            embed.get("chain"), embed.get("chord"), args,
        )
    )  # fmt: skip
    if workflow.endswith((GROUP, CHORD)):
        workflow = _first_name(run, name, workflow)
    return run, _plain(workflow) if workflow else ""


def _first_name(run: bytes, task: str, derived: str) -> str:
    """Return the name of the run of a group or chord: after the first task of it that is published, for all of them.

    One process publishes them all. Of a chord whose result backend has to be polled the poller comes first, which
    knows the body only.
    """
    known = _first.get(run)
    if known is None:
        known = f"{task}{CHORD}" if derived.endswith(CHORD) and task != UNLOCK else derived
        if len(_first) >= _RUNS:
            for old in list(_first)[: _RUNS // 2]:
                _first.pop(old, None)
        _first[run] = known
    return known


def _reschedules(attempt: Open, about: dict[str, Any], body: Any) -> bool:
    """Tell whether a task publishes itself for later: an endless run otherwise, so each one is a run of its own."""
    if about.get("id") == attempt.id or not about.get("eta") or about.get("group"):
        return False
    if attempt.task in attempts.MACHINERY:  # a chord's poller publishes the next chord, and that one's poller
        return False
    embed = body[2] if isinstance(body, (tuple, list)) and len(body) == 3 else {}
    return not (embed.get("chain") or embed.get("chord"))


def _rescheduled(attempt: Open, scope: context.Scope | None, own: str) -> tuple[bytes, str]:
    """Return the new run of a task that comes again later: of the same workflow if that has a name, same labels."""
    run, workflow = fixed_id(pack_id(own)), context.explicit(attempt.workflow)
    carried = scope.runs | scope.own if scope is not None else {}
    _tell(b"", run, labels.of_run(carried, attempt.run), workflow)
    _continues(own)
    return run, header.tail(workflow, labels.write(carried))


def _counted(run: bytes, n: int, tail: str, about: dict[str, Any], *, new: bool) -> bytes:
    """Return the run of its n-th message from this process: itself, unless it is closed."""
    if new and n > CLOSED_AT:
        return _continued(run, n // CLOSED_AT, tail, about)
    if len(_members) > _RUNS:  # the largest ones matter
        largest = sorted(_members.items(), key=lambda item: item[1])[-_RUNS // 10 :]
        _members.clear()
        _members.update(largest)
    return run


def _is_new(attempt: Open | None, stamped: object, about: dict[str, Any]) -> bool:
    """Tell whether a message adds an execution to its run: a retry or a replacement does not."""
    return about.get("id") != attempt.id if attempt is not None else stamped is None


def _of_older(since: str, now_us: int, run: bytes, tail: str, about: dict[str, Any], *, new: bool) -> str:
    """Return the header of a message whose run began earlier; in a run of its own when that was too long ago."""
    known = header.decode(since)
    if known is None or known.run != run:
        return header.encode(now_us, run, tail)
    begun_us = header.begun_us(since)
    if not new or now_us - begun_us <= CLOSED_US:
        return header.encode(now_us, run, tail, begun_us)
    return header.encode(now_us, _continued(run, 0, tail, about), tail)


def _continued(run: bytes, number: int, tail: str, about: dict[str, Any]) -> bytes:
    """Return the run that takes the members of a closed one, and record once that it continues that."""
    new = context.continuation(run, number)
    if new not in _told:
        if len(_told) > _RUNS:
            _told.clear()
        _told.add(new)
        workflow, carried = header.parts(tail)
        _tell(b"", new, labels.of_run(labels.split(carried)[0], run), workflow)
        _continues(str(about.get("id")))
    return new


def _tell(own: bytes, run: bytes, text: str, workflow: str = "") -> None:
    process.put(Kind.LABELS, pack_labels(time_ns() // 1000, own, run, text, workflow))


def _continues(own: str) -> None:
    if len(_continuing) > _RUNS:
        _continuing.clear()
    _continuing.add(own)


def record(name: str, headers: dict[str, Any], body: Any, exchange: Any, routing_key: str) -> None:
    """Write one PUBLISH record, and what the message plans; the broker has it."""
    about = headers if "id" in headers else body
    stamped = _decode(headers.get(_NAME))
    if stamped is None or not isinstance(about, dict):
        return
    published_us, run, workflow, _ = stamped
    me = process.me
    writer = me.writer or process.open_writer()
    if writer is None:
        me.dropped += 1
        return
    get, task_id, flags = about.get, str(about.get("id")), attempts.flags_of(name)
    if _continuing and task_id in _continuing:
        _continuing.discard(task_id)
        flags |= _CONTINUES
    eta, retries, group = get("eta"), get("retries"), get("group")
    queue = attempts.queue_of(exchange, routing_key or "")
    writer.put(
        _PUBLISH,
        _pack_publish(published_us, _micros(eta) if eta else 0, min(retries or 0, 65535), flags)
        + pack_ids(task_id, get("root_id"), get("parent_id"), group, run)
        + (_series.get((name, queue, workflow)) or attempts.series(name, queue, workflow)),
    )
    embed = body[2] if type(body) is tuple and len(body) == 3 else about
    chain, chord = embed.get("chain"), embed.get("chord")
    if (chain or chord) and not retries:
        plans.record(task_id, _running(), {"chain": chain, "chord": chord, "group": group}, run, workflow)
    if not me.agent:
        process.need_agent()
