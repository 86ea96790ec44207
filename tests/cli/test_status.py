"""The overview as text."""

from __future__ import annotations

import pytest

from celery_monitor.cli.status import render
from tests.cli.summaries import documented


def plain(text: str, state: str) -> str:
    return text


@pytest.mark.parametrize("width", [40, 44, 60, 80, 100])
def test_every_line_fits_the_width(width: int) -> None:
    text = render(documented(), plain, width)

    assert max(map(len, text.splitlines())) <= width


def test_the_first_line_says_whether_it_is_fine_and_the_next_why_not() -> None:
    lines = render(documented(), plain).splitlines()

    assert lines[0].startswith("▲ Warning")
    assert lines[0].endswith("9 of 10 checks ok   shop   last 1 h")
    assert lines[1] == "  ▲ default: 212 messages waiting (rule backlog: > 200)"


def test_figures_stand_with_unit_and_change() -> None:
    text = render(documented(), plain)

    for words in ("20.7 /min  ▲ 5 %", "412 ms  ▲ 37 %", "62.5 % of 8 slots", "1 200 succeeded   4 failed"):
        assert words in text


def test_slots_of_a_worker_that_wants_a_look_are_counted_as_on_the_page() -> None:
    summary = documented()
    for worker in summary["workers"]:
        worker["state"] = "warning"

    assert "62.5 % of 8 slots" in render(summary, plain)


def test_tasks_queues_workers_and_workflows_have_their_rows() -> None:
    text = render(documented(), plain)

    for name in ("shop.charge", "▲ default", "● celery@a", "daily_report", "  shop.charts"):
        assert f"\n{name}" in text


def test_what_is_unknown_is_a_dash() -> None:
    summary = documented()
    summary["queues"][0].update(backlog=None, oldest_seconds=None, consumers=None)

    line = next(line for line in render(summary, plain).splitlines() if line.startswith("▲ default"))

    assert line.split()[2:4] == ["–", "–"]  # noqa: RUF001 - the dash of the pages


def test_an_empty_store_says_what_to_do() -> None:
    summary = documented()
    summary.update(state="empty", reasons=[], tasks=[], queues=[], workers=[], workflows=[])

    text = render(summary, plain)

    assert "Nothing recorded yet" in text
    assert "Monitor(app)" in text


def test_long_tables_say_how_much_they_leave_out() -> None:
    summary = documented()
    summary["tasks"] = [{**summary["tasks"][0], "task": f"shop.t{n}"} for n in range(40)]

    assert "… and 25 more" in render(summary, plain)


def test_only_what_is_not_ok_is_coloured() -> None:
    seen: list[tuple[str, str]] = []

    render(documented(), lambda text, state: seen.append((text, state)) or text)

    assert [text.split()[1] for text, state in seen if state == "warning"] == ["Warning", "default:", "default"]


def test_a_name_cannot_send_commands_to_the_terminal() -> None:
    summary = documented()
    summary["tasks"][0]["task"] = "shop\x1b[2J\x07.charge"
    summary["reasons"][0]["text"] = "\x1b]0;owned\x07"

    assert not {"\x1b", "\x07"} & set(render(summary, plain))


def test_losses_of_the_monitor_itself_are_told() -> None:
    summary = documented()
    summary["health"].update(dropped={"ring full": 1200}, skipped_entries=2, notes=["no tmpfs"])

    text = render(summary, plain)

    assert "! 1 200 records dropped: ring full" in text
    assert "! 2 inbox entries could not be read" in text
    assert "! no tmpfs" in text
