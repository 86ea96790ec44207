"""A whole installation: broker, worker and the install line, through pytest-celery."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pytest_celery import CeleryTestSetup

from tests.waiting import until

pytestmark = [pytest.mark.smoke, pytest.mark.timeout(240)]

Recorded = Callable[[str], int]


def add(setup: CeleryTestSetup, times: int) -> None:
    for n in range(times):
        setup.app.send_task("smoke.add", (n, n), ignore_result=True)


def test_the_install_line_alone_records_every_task_that_was_sent(
    celery_setup: CeleryTestSetup, recorded: Recorded
) -> None:
    assert celery_setup.ready()
    add(celery_setup, 50)
    until(lambda: recorded("smoke.add") >= 50, seconds=60, what="50 ends recorded")
    assert recorded("smoke.add") == 50


def test_a_killed_worker_loses_nothing_that_ended_and_records_again_after_its_restart(
    celery_setup: CeleryTestSetup, recorded: Recorded
) -> None:
    assert celery_setup.ready()
    add(celery_setup, 20)
    until(lambda: recorded("smoke.add") == 20, seconds=60, what="20 ends recorded")
    celery_setup.app.send_task("smoke.hang", (600,), ignore_result=True)
    celery_setup.worker.assert_log_exists("Task smoke.hang", timeout=30)
    celery_setup.worker.kill()
    celery_setup.worker.restart()
    add(celery_setup, 20)
    until(lambda: recorded("smoke.add") >= 40, seconds=90, what="40 ends recorded")
    assert recorded("smoke.add") == 40


def test_a_restarted_broker_costs_no_record_and_no_worker(celery_setup: CeleryTestSetup, recorded: Recorded) -> None:
    assert celery_setup.ready()
    add(celery_setup, 20)
    until(lambda: recorded("smoke.add") == 20, seconds=60, what="20 ends recorded")
    celery_setup.broker.restart()
    add(celery_setup, 20)
    until(lambda: recorded("smoke.add") >= 40, seconds=90, what="40 ends recorded")
    assert recorded("smoke.add") == 40
    assert celery_setup.worker.container.status == "running"
