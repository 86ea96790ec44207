from __future__ import annotations

import pytest

from celery_monitor.cli import demo, script
from celery_monitor.cli.embedded import EmbeddedServerError
from celery_monitor.cli.fleet import ProcessEndedError
from celery_monitor.cli.preflight import DemoError


def test_options_reach_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float | None, int]] = []
    monkeypatch.setattr(demo, "run", lambda seconds, port: asked.append((seconds, port)) or 0)
    assert script.main(["demo", "--seconds", "2.5", "--port", "5556"]) == 0
    assert script.main(["demo"]) == 0
    assert asked == [(2.5, 5556), (None, 5555)]


@pytest.mark.parametrize("error", [DemoError, EmbeddedServerError, ProcessEndedError])
def test_what_goes_wrong_is_said_in_a_line_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[Exception]
) -> None:
    def fail(seconds: float | None, port: int) -> int:
        raise error("port 5555 is taken")

    monkeypatch.setattr(demo, "run", fail)
    assert script.main(["demo"]) == 1
    assert capsys.readouterr().err.strip() == "celery-monitor demo: port 5555 is taken"


@pytest.mark.parametrize(("seconds", "code"), [([], 0), (["--seconds", "9"], 130)])
def test_ctrl_c_is_the_way_to_end_it_unless_it_was_to_end_by_itself(
    monkeypatch: pytest.MonkeyPatch, seconds: list[str], code: int
) -> None:
    def interrupted(seconds: float | None, port: int) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert script.main(["demo", *seconds]) == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["demo", "--port", "65536"], "'65536': give a port, 1 to 65535"),
        (["demo", "--port", "http"], "'http': give a port, 1 to 65535"),
        (["demo", "--seconds", "0"], "'0': give seconds, more than 0 and at most 86400"),
        (["demo", "--seconds", "soon"], "'soon': give seconds, more than 0 and at most 86400"),
        (["demo", "--seconds", "nan"], "'nan': give seconds, more than 0 and at most 86400"),
        (["dmo"], "invalid choice: 'dmo'"),
        ([], "the following arguments are required: command"),
    ],
)
def test_a_wrong_option_is_named_with_the_accepted_form(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
