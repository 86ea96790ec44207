from __future__ import annotations

import pytest

from celery_monitor.errors import BadRequest
from celery_monitor.query.reader import Reader
from celery_monitor.store.connection import Store
from tests.query.counted import SECOND, counted, hand_in
from tests.store.batches import NOW_US, attempt


@pytest.fixture
def reader(store: Store) -> Reader:
    """A thousand attempts of 1 to 1000 ms, in steps of one."""
    rows = [attempt(n, at_us=NOW_US - n * SECOND // 2, runtime_us=n * 1000) for n in range(1, 1001)]
    rows += [attempt(n, task="shop.mail", queue="mail", runtime_us=5 * SECOND) for n in range(2000, 2010)]
    hand_in(store, counted(1, rows))
    return Reader(store)


def test_any_quantile_of_a_task_is_within_two_percent(reader: Reader) -> None:
    found = reader.quantiles("task:shop.charge", "runtime", "0.999,0.5,0.123", "1h", NOW_US)
    assert found["count"] == 1000
    assert found["unit"] == "seconds"
    assert found["quantiles"] == {
        "0.123": pytest.approx(0.123, rel=0.021), "0.5": pytest.approx(0.5, rel=0.021),
        "0.999": pytest.approx(0.999, rel=0.021),
    }  # fmt: skip
    assert (found["min"], found["max"], found["sum"]) == (0.001, 1.0, 500.5)


@pytest.mark.parametrize(
    ("series", "count"),
    [
        ("all", 1010),
        ("task:shop.charge@payments", 1000),
        ("task:shop.charge@mail", 0),
        ("queue:mail", 10),
        ("worker:celery@a", 1010),
    ],
)
def test_each_kind_of_series_is_found(reader: Reader, series: str, count: int) -> None:
    found = reader.quantiles(series, "runtime", "0.5", "1h", NOW_US)
    assert found["count"] == count
    assert (found["quantiles"]["0.5"] is None) == (count == 0) == (found["last_at"] is None)


@pytest.mark.parametrize(("series", "count"), [("task:shop.mail", 10), ("worker:celery@a", 1010)])
@pytest.mark.parametrize("measure", ["wait", "turnaround", "cpu", "memory"])
def test_each_measure_is_there(reader: Reader, measure: str, series: str, count: int) -> None:
    found = reader.quantiles(series, measure, "0.5", "1h", NOW_US)
    assert found["count"] == count
    assert found["quantiles"]["0.5"] is not None
    assert found["unit"] == ("bytes" if measure == "memory" else "seconds")


@pytest.mark.parametrize("window", ["12h", "20h", "24h"])
def test_a_worker_is_counted_over_windows_whose_fine_buckets_have_gone(store: Store, window: str) -> None:
    hours = (1, 9, 11)
    rows = [attempt(n, at_us=NOW_US - n * 3600 * SECOND, wait_us=n * SECOND) for n in hours]
    hand_in(store, counted(1, rows))
    reader = Reader(store)

    found = reader.quantiles("worker:celery@a", "wait", "0.5", window, NOW_US)
    assert (found["count"], found["min"], found["max"]) == (3, 1.0, 11.0)
    row = reader.worker("celery@a", window, NOW_US)
    assert row is not None
    assert sum(row["series"]["ended"]) == 3


def test_a_window_leaves_out_what_is_older(reader: Reader) -> None:
    found = reader.quantiles("task:shop.charge", "runtime", "1", "1m", NOW_US)
    assert found["count"] < 200
    assert found["max"] < 0.2


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"series": "shop.charge"}, "bad_series"),
        ({"series": "step:daily"}, "bad_series"),
        ({"series": "task:"}, "bad_series"),
        ({"series": "all", "q": "1.5"}, "bad_q"),
        ({"series": "all", "q": "p95"}, "bad_q"),
        ({"series": "all", "q": "nan"}, "bad_q"),
        ({"series": "all", "measure": "speed"}, "bad_measure"),
    ],
)
def test_what_is_not_of_the_accepted_form_is_refused(reader: Reader, asked: dict[str, str], code: str) -> None:
    with pytest.raises(BadRequest) as raised:
        reader.quantiles(**asked)
    assert raised.value.code == code
