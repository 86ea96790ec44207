"""What is told of executions that are not shown one by one."""

from __future__ import annotations

from celery_monitor.analytics.folding import Place, groups
from tests.analytics.rows import Scenario, id_

SECOND = 1_000_000


def test_those_that_are_not_shown_stand_by_task_below_the_nearest_that_is_shown() -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    for n in range(9):  # chains of two, of which two are shown
        s.ran(f"x{n}", 1, 2 + n, parent="a")
        s.ran(f"y{n}", 2 + n, 12, parent=f"x{n}")
    shown = {id_("a"), id_("x0"), id_("y0"), id_("x1")}
    found = groups(s.judged().executions, shown, shown)
    hidden = {place: len(group.members) for place, group in found.items() if group.members}
    x, y = Place(id_("a"), "shop.x"), Place(id_("a"), "shop.y")
    assert hidden == {x: 7, y: 7, Place(id_("x1"), "shop.y"): 1}
    assert (found[x].after(x), found[y].after(y)) == (None, "shop.x")
    assert found[x].median_us() == 5 * SECOND  # of nine: those that are shown count
    fewer = groups(s.judged().executions, shown, {id_("a")})
    assert {place: len(group.members) for place, group in fewer.items() if group.members} == {x: 7, y: 8}
    assert fewer[y].after(y) == "shop.x"


def test_a_long_chain_of_few_tasks_is_few_groups() -> None:
    s = Scenario()
    s.ran("a", 0, 1)
    for n in range(3000):
        s.ran(f"{'xy'[n % 2]}{n}", n, n + 1, parent=f"{'xy'[(n - 1) % 2]}{n - 1}" if n else "a")
    found = groups(s.judged(now=5000).executions, {id_("a")}, {id_("a")})
    x, y = Place(id_("a"), "shop.x"), Place(id_("a"), "shop.y")
    assert {place: len(group.members) for place, group in found.items() if group.members} == {x: 1500, y: 1500}
    assert found[y].after(y) == "shop.x"


def test_parents_in_a_circle_end() -> None:
    s = Scenario()
    s.ran("x", 0, 1, parent="y")
    s.ran("y", 1, 2, parent="x")
    assert {place.above for place in groups(s.judged().executions, set(), set())} == {b""}


def test_what_never_ran_has_no_run_time() -> None:
    s = Scenario()
    s.publish("x")
    assert groups(s.judged().executions, set(), set())[Place(b"", "shop.x")].median_us() is None
