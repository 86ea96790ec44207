from __future__ import annotations

import pytest

from tests import parts
from tests.waiting import until


@pytest.fixture
def _nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "find", lambda name: None)


@pytest.mark.usefixtures("_nothing_installed")
def test_a_missing_part_skips_with_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt-get install chromium"):
        parts.require("chromium")


@pytest.mark.usefixtures("_nothing_installed")
def test_a_missing_part_fails_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"):
        parts.require("chromium")


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: two ends; the last value was \[\]"):
        until(list, seconds=0.1, what="two ends")
