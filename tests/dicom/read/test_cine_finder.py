"""The steps that find the cine of a study are in one order, and none needs what comes later."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cvai.dicom.read import cine

FOLDER = Path(cine.__file__).parent
STEPS = (
    "placement",
    "conditions",
    "images",
    "image_groups",
    "acquisitions",
    "stacks",
    "candidates",
    "left_out",
    "refusals",
    "cine_finder",
)


@pytest.mark.parametrize("step", STEPS)
def test_no_step_imports_a_later_one(step: str) -> None:
    source = (FOLDER / f"{step}.py").read_text()
    imported = set(re.findall(r"from cvai\.dicom\.read\.cine\.(\w+) import", source))
    assert imported <= set(STEPS[: STEPS.index(step)])
