"""The assistant's tools: a decorated function is a span, and an error that leaves it makes the span a failed one."""

from __future__ import annotations

import operator
import time
from collections.abc import Callable

from celery_monitor import span


class ToolError(Exception):
    """A tool did not answer; worth another try."""


@span("order_lookup", kind="db")
def order_lookup(number: str) -> str:
    """Read an order from the database."""
    time.sleep(0.01)
    return f"order {number} is on its way"


@span("calculator", kind="tool")
def calculator(sum_: str) -> str:
    """Work out a sum of two numbers."""
    left, sign, right = sum_.split()
    how = {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign]
    return f"{sum_} = {how(int(left), int(right))}"


def web_search(query: str, attempt: int) -> str:
    """Search the web; the weather service is overloaded when it is asked for the first time."""
    with span("web_search", kind="tool", query=query) as search:
        time.sleep(0.02)
        overloaded = "weather" in query and attempt == 0
        search.set(api="search.example", status=503 if overloaded else 200, api_seconds=0.02)
        if overloaded:
            raise ToolError("search.example said 503")
    return f"the web knows of {len(query.split())} words"


def use(tool: str, argument: str, attempt: int) -> str:
    """Use a tool by its name."""
    if tool == "web_search":
        return web_search(argument, attempt)
    plain: dict[str, Callable[[str], str]] = {"order_lookup": order_lookup, "calculator": calculator}
    return plain[tool](argument)
