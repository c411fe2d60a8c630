"""The change control plan states the bounds that the code has."""

from __future__ import annotations

import re
from importlib import import_module
from typing import Any

import pytest

from cvai.training.tasks.coronary.evaluation import numbers as coronary
from cvai.training.tasks.echo.evaluation import numbers as echo
from cvai.training.tasks.sax.evaluation import numbers as sax
from tests.conftest import ROOT

PLAN = (ROOT / "docs" / "explanation" / "change-control.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(cvai\.[\w.]+)`", PLAN)))
MARGINS = re.findall(r"^\| ([^|]+) \| ([0-9.]+) \| `(cvai\.[\w.]+)` \|$", PLAN, re.MULTILINE)


def named(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(import_module(module), attribute)


@pytest.mark.parametrize("name", NAMED)
def test_what_the_plan_names_is_there(name: str) -> None:
    assert named(name) is not None


@pytest.mark.parametrize(("what", "bound", "name"), MARGINS)
def test_each_bound_is_that_of_the_code(what: str, bound: str, name: str) -> None:
    found = named(name)
    if isinstance(found, dict):
        found = found[tuple(what.split()) if " " in what else what]
    if isinstance(found, float | int):
        assert found == float(bound)
    else:
        assert (what, float(bound)) == ("hearts not found", 0.0), "a bound without a constant"


def test_the_plan_states_every_margin() -> None:
    stated = {what for what, _, _ in MARGINS}
    pairs = {" ".join(pair) for pair in (*sax.AGREEMENT_MARGINS, *echo.ECHO_MARGINS)}
    assert pairs | set(coronary.MARGINS) <= stated
    assert (
        len(MARGINS)
        == len(pairs) + len(coronary.MARGINS) + len(("Dice", "view", "share", "presence", "lost")) + 1
    )
