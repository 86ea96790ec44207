"""A program is started with a log, an environment and a session of its own; that it ends with us: `test_embedded`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from celery_monitor.cli import child

CODE = "import os, sys; print(os.environ['WORD'], os.getsid(0) == os.getpid(), os.getcwd(), file=sys.stderr)"


def test_its_output_is_added_to_the_log_and_it_leads_a_session(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    env = {**os.environ, "WORD": "hello"}
    assert child.start([sys.executable, "-c", CODE], log, env=env, cwd=tmp_path).wait(60) == 0
    assert log.read_text() == f"before\nhello True {tmp_path}\n"
