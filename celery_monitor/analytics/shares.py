"""How a workflow's time divides among its steps."""

from __future__ import annotations

from collections.abc import Mapping

from celery_monitor.model import Cell


def shares(steps: Mapping[str, Cell]) -> dict[str, float]:
    """Return each step's share (0..1) of the running time of all steps; they add up to 1, or are all 0.

    Attempts side by side count in full: the share says what costs time, not what sets the run's duration.

    >>> fetch, charts = Cell(), Cell()
    >>> fetch.runtime.add(1_000_000); charts.runtime.add(3_000_000)
    >>> shares({"fetch": fetch, "charts": charts})
    {'fetch': 0.25, 'charts': 0.75}
    >>> shares({"fetch": Cell()})
    {'fetch': 0.0}
    """
    total = sum(cell.runtime.total for cell in steps.values())
    return {step: cell.runtime.total / total if total > 0 else 0.0 for step, cell in steps.items()}
