"""Rows of canvas: every shape a workflow can have, with the ids of its steps fixed beforehand."""

from __future__ import annotations

from typing import Any

from celery import chain, chord, group

from tests.truth.app import (
    adds_to_chord,
    calls_a_parent,
    fail,
    hard_limited,
    killed,
    killed_once,
    leave,
    opens_group,
    parent,
    replaced,
    succeed,
)
from tests.truth.script import CELERY, NOTHING, PREFORK, UNREACHED, UNSEEN, Expected, Plan, ends, row

OK = "SUCCESS ok"
FAILED = ends("FAILURE error")


@row()
def chain_of_three() -> Expected:
    plan = Plan()
    chain(plan(succeed), plan(succeed), plan(succeed)).apply_async()
    return plan.expected


@row()
def group_from_a_client() -> Expected:
    plan = Plan()
    group(plan(succeed) for _ in range(4)).apply_async()
    return plan.expected


@row()
def group_from_a_task() -> Expected:
    plan = Plan()
    plan(opens_group, [plan.id() for _ in range(3)]).apply_async()
    return plan.expected


@row()
def chord_from_a_client() -> Expected:
    plan = Plan()
    chord([plan(succeed) for _ in range(4)], plan(succeed)).apply_async()
    return plan.expected


@row()
def group_of_chains() -> Expected:
    plan = Plan()
    group(chain(plan(succeed), plan(succeed)) for _ in range(2)).apply_async()
    return plan.expected


@row()
def chord_of_chains() -> Expected:
    plan = Plan()
    chord([chain(plan(succeed), plan(succeed)) for _ in range(2)], plan(succeed)).apply_async()
    return plan.expected


@row()
def group_after_group() -> Expected:
    plan = Plan()
    chain(group(plan(succeed), plan(succeed)), group(plan(succeed), plan(succeed))).apply_async()
    return plan.expected


@row()
def group_within_a_chain() -> Expected:
    plan = Plan()
    (plan(succeed) | group(plan(succeed), plan(succeed)) | plan(succeed) | plan(succeed)).apply_async()
    return plan.expected


@row()
def nested_chord() -> Expected:
    plan = Plan()
    inner = chord([plan(succeed), plan(succeed)], plan(succeed))
    chord([inner, plan(succeed)], plan(succeed)).apply_async()
    return plan.expected


@row()
def child_of_a_body() -> Expected:
    """Of a body that is called directly, too: in a group, as there its run cannot be told from its own message."""
    plan = Plan()
    plan(parent, plan.id()).apply_async()
    group(plan(calls_a_parent, plan.id()) for _ in range(2)).apply_async()
    return plan.expected


@row()
def mapped() -> Expected:
    return {sent.apply_async().id: UNSEEN for sent in (succeed.map([1, 2, 3]), succeed.starmap([(1,), (2,)]))}


@row()
def chunks() -> Expected:
    result = succeed.chunks([(n,) for n in range(10)], 4).group().apply_async()
    return {one.id: UNSEEN for one in result.children}


@row()
def links() -> Expected:
    plan = Plan()
    plan(succeed).apply_async(link=[plan(succeed), plan(succeed)], link_error=plan(fail, right=NOTHING))
    plan(fail, right=FAILED).apply_async(link=plan(succeed, right=NOTHING), link_error=plan(succeed))
    return plan.expected


@row()
def chain_that_fails_in_its_middle() -> Expected:
    plan = Plan()
    chain(plan(succeed), plan(fail, right=FAILED), plan(succeed, right=UNREACHED)).apply_async()
    return plan.expected


@row()
def chord_whose_header_fails() -> Expected:
    plan = Plan()
    chord([plan(succeed), plan(fail, right=FAILED)], plan(succeed, right=UNREACHED)).apply_async()
    return plan.expected


@row(PREFORK)
def chain_whose_step_is_killed() -> Expected:
    plan = Plan()
    chain(plan(succeed), plan(killed, right=ends("FAILURE killed")), *unreached(plan)).apply_async()
    return plan.expected


@row(PREFORK)
def chain_whose_step_takes_too_long() -> Expected:
    plan = Plan()
    chain(plan(hard_limited, right=ends("FAILURE hard_timeout")), *unreached(plan)).apply_async()
    return plan.expected


@row(PREFORK)
def chord_whose_header_is_killed() -> Expected:
    plan = Plan()
    chord([plan(succeed), plan(killed, right=ends("FAILURE killed"))], *unreached(plan, 1)).apply_async()
    return plan.expected


@row(PREFORK)
def chain_whose_step_leaves() -> Expected:
    """An older Celery says nothing of it, and nothing is known of what was planned behind it."""
    plan = Plan()
    told = CELERY >= (5, 7)
    left = plan(leave, right=ends("FAILURE system_exit" if told else "LOST system_exit"))
    chain(left, plan(succeed, right=UNREACHED if told else NOTHING)).apply_async()
    return plan.expected


@row(PREFORK)
def chain_whose_killed_step_comes_again() -> Expected:
    plan = Plan()
    chain(plan(killed_once, right=ends("LOST killed", OK)), plan(succeed)).apply_async()
    return plan.expected


@row()
def plan_of_many_shapes_behind_a_failure() -> Expected:
    plan = Plan()
    behind = chord([plan(succeed, right=UNREACHED), plan(succeed, right=UNREACHED)], plan(succeed, right=UNREACHED))
    chain(
        plan(fail, right=FAILED), plan(succeed, right=UNREACHED), behind, plan(succeed, right=UNREACHED)
    ).apply_async()
    return plan.expected


@row()
def chord_with_a_member_added_later() -> Expected:
    plan = Plan()
    chord([plan(succeed), plan(adds_to_chord, plan.id())], plan(succeed)).apply_async()
    return plan.expected


@row()
def replaced_by_another() -> Expected:
    """The replacement, and the last step of one that is a workflow, run under the id of what they replace."""
    plan = Plan()
    again = ends("REPLACED replaced", OK)
    plan(replaced, "task", right=again).apply_async()
    plan(replaced, "chain", right=again).apply_async()
    plan(replaced, "chord", right=again).apply_async()
    plan(replaced, "group", right=ends("REPLACED replaced", f"{OK} unseen")).apply_async()
    return plan.expected


@row()
def replaced_within_a_chain() -> Expected:
    plan = Plan()
    chain(plan(succeed), plan(replaced, "task", right=ends("REPLACED replaced", OK)), plan(succeed)).apply_async()
    return plan.expected


def unreached(plan: Plan, steps: int = 2) -> list[Any]:
    """Return steps that nobody will publish."""
    return [plan(succeed, right=UNREACHED) for _ in range(steps)]


def replacement(how: str) -> Any:
    """Return what a body is replaced by."""
    one = succeed.si()
    made = {
        "task": lambda: one,
        "chain": lambda: chain(succeed.si(), succeed.si()),
        "chord": lambda: chord([succeed.si(), succeed.si()], succeed.si()),
        "group": lambda: group(succeed.si(), succeed.si()),
    }
    return made[how]()
