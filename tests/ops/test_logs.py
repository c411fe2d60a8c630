"""Logs are JSON, one object a line, and quote no patient."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import structlog

from cvai.ops.logs import log_to_stderr
from tests.conftest import ROOT

SCRIPT = """
import logging, warnings
import pydicom, structlog
from pydicom import Dataset
from cvai.ops.logs import configure_logs

configure_logs("info")
log = structlog.get_logger("cvai")
log.debug("too quiet")
log.info("told", study="1.2.3")
made = Dataset()
made.PatientBirthDate = "Doe^John"
logging.getLogger("pydicom").error("Doe^John")
try:
    raise ValueError("Doe^John")
except ValueError:
    logging.getLogger("elsewhere").exception("it broke")
"""


def test_lines_are_json_on_stderr_and_no_value_of_a_header_is_among_them() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("told", "info"), ("foreign", "error")]
    assert lines[0]["study"] == "1.2.3"
    assert lines[1]["line"] == "it broke"
    assert "Doe" not in done.stderr
    assert done.stdout == ""


def test_lines_of_a_command_are_kept_out_of_its_data(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr()
    try:
        structlog.get_logger("cvai").warning("device_failed")
    finally:
        structlog.reset_defaults()
    written = capsys.readouterr()
    assert written.out == ""
    assert "device_failed" in written.err
