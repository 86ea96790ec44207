"""From a question to its answer: plan, use the tools side by side, write; a refund waits for a person."""

from __future__ import annotations

from typing import Any

from celery import chord

from agent import model, tools
from agent.app import app
from celery_monitor import label, span, wait_begin, wait_end, workflow

APPROVAL = "approval"


def ask(question: str, session: str, user: str, tier: str = "free") -> str:
    """Publish a question and return the id of its run: name and labels reach all that is published for it later."""
    with workflow("agent.answer", description=question, session=session, user=user, tier=tier) as run:
        answer.delay(question, run.run_id)
    return run.run_id


@app.task(name="agent.answer")
def answer(question: str, run_id: str) -> None:
    """Plan, and publish the tools with what follows when all have answered."""
    with span("plan", kind="agent"):
        steps = model.plan(question)
    label("tools", len(steps))
    chord(use_tool.s(step.tool, step.argument) for step in steps)(conclude.s(question, run_id))


@app.task(bind=True, name="agent.use_tool", autoretry_for=(tools.ToolError,), default_retry_delay=1, max_retries=3)
def use_tool(self: Any, tool: str, argument: str) -> str:
    """Use one tool; one that does not answer is asked again."""
    return tools.use(tool, argument, self.request.retries)


@app.task(name="agent.conclude")
def conclude(notes: list[str], question: str, run_id: str) -> str:
    """Write the answer, and begin what the customer asked for."""
    with span("write", kind="agent"):
        text = model.write(question, notes)
    if "refund" in question:
        refund.delay(run_id)
    return text


@app.task(bind=True, name="agent.refund", max_retries=None)
def refund(self: Any, run_id: str) -> str:
    """Pay back when a person has approved: until then no worker is held, the task comes back and looks again."""
    decision = decide.AsyncResult(decision_id(run_id))
    if not decision.ready():
        if self.request.retries == 0:
            wait_begin(run_id, APPROVAL)
        raise self.retry(countdown=1)
    outcome: str = decision.get(disable_sync_subtasks=False)
    return "paid back" if outcome == "approved" else "kept"


@app.task(name="agent.decide")
def decide(run_id: str, outcome: str, by: str) -> str:
    """Note what a person has decided, which ends the wait of the run."""
    wait_end(run_id, APPROVAL, outcome=outcome, by=by)
    return outcome


def decision_id(run_id: str) -> str:
    """Return the id of the task that brings the decision of a run."""
    return f"approval-{run_id}"
