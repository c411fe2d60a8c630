"""A model's card as CHAI's Applied Model Card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner

from cvai.cli.main import app
from cvai.models.card import load_card
from cvai.models.chai import NAMESPACE, UNKNOWN, chai_card
from cvai.models.folders import model_folder

Elements: TypeAlias = "dict[str, Elements | None]"

METRIC: Elements = {
    "MetricGoal": None,
    "Results": {"MetricResult": {"Label": None, "ValueJson": None}},
    "Interpretation": None,
    "TestType": None,
    "TestingDataDescription": None,
    "ValidationProcessAndJustification": None,
}
REQUIRED: Elements = {
    "BasicInfo": dict.fromkeys(("ModelName", "ModelDeveloper", "DeveloperContact")),
    "ReleaseInfo": dict.fromkeys(("ReleaseStage", "ReleaseDate", "ReleaseVersion", "GlobalAvailability")),
    "ModelSummary": {"Summary": None, "Keywords": {"Keyword": None}},
    "UsesAndDirections": dict.fromkeys(
        (
            "IntendedUseAndWorkflow",
            "PrimaryIntendedUsers",
            "HowToUse",
            "TargetedPatientPopulation",
            "CautionedOutOfScopeSettings",
        )
    ),
    "Warnings": dict.fromkeys(
        ("KnownRisksAndLimitations", "KnownBiasesOrEthicalConsiderations", "ClinicalRiskLevel")
    ),
    "TrustIngredients": {
        "AISystemFacts": dict.fromkeys(
            (
                "OutcomesAndOutputs",
                "ModelType",
                "InputDataSource",
                "OutputAndInputDataTypes",
                "DevelopmentDataCharacterization",
                "BiasMitigationApproaches",
                "OngoingMaintenance",
            )
        ),
        "TransparencyInformation": dict.fromkeys(("FundingSource", "StakeholdersConsulted")),
    },
    "KeyMetrics": {
        "UsefulnessUsabilityEfficacy": METRIC,
        "FairnessEquity": METRIC,
        "SafetyReliability": METRIC,
    },
    "Resources": dict.fromkeys(("PeerReviewedPublications", "PatientConsentOrDisclosure")),
    "Bibliography": None,
}
"""Elements that version 0.2 of the schema requires, in its order."""


def card_of(name: str) -> ET.Element:
    ended = CliRunner().invoke(app, ["models", "card", name, "--format", "chai"])
    assert ended.exit_code == 0, ended.output
    return ET.fromstring(ended.stdout.encode())  # noqa: S314 - ours


def text(root: ET.Element, path: str) -> str:
    return root.findtext("/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))) or ""


def check(found: ET.Element, expected: Elements) -> None:
    """Elements are those expected, in their order; some may be repeated."""
    names = dict.fromkeys(child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in found)
    assert list(names) == list(expected), found.tag
    for child in found:
        inner = expected[child.tag.removeprefix(f"{{{NAMESPACE}}}")]
        if inner is None:
            assert len(child) == 0
            assert (child.text or "").strip(), child.tag
        else:
            check(child, inner)


def metrics(root: ET.Element, group: str) -> dict[str, dict[str, object]]:
    path = f".//{{{NAMESPACE}}}{group}//{{{NAMESPACE}}}MetricResult"
    return {text(m, "Label"): json.loads(text(m, "ValueJson")) for m in root.iterfind(path)}


@pytest.mark.parametrize("name", ["sax", "lge", "echo", "coronary"])
def test_every_required_element_is_there_in_the_order_of_the_schema(name: str) -> None:
    root = card_of(name)
    assert root.tag == f"{{{NAMESPACE}}}AppliedModelCard"
    check(root, REQUIRED)


def test_what_card_and_evaluation_state_is_in_it() -> None:
    root, card = card_of("sax"), load_card(model_folder("sax"))
    evaluation = json.loads((model_folder("sax") / "evaluation.json").read_text())
    assert text(root, "ReleaseInfo/ReleaseVersion") == card.version
    assert text(root, "UsesAndDirections/IntendedUseAndWorkflow") == card.intended_use
    assert card.sha256 in text(root, "TrustIngredients/AISystemFacts/ModelType")
    assert card.training.data in text(root, "TrustIngredients/AISystemFacts/DevelopmentDataCharacterization")
    assert "rv_ef SD: 5.5188 in the model before" in text(root, "Warnings/KnownRisksAndLimitations")
    assert card.training.citation in text(root, "Bibliography")
    error = metrics(root, "UsefulnessUsabilityEfficacy")["LVEF, mean error (points)"]
    stated = evaluation["agreement"]["lv_ef"]["mae"]
    assert (error["estimate"], [error["lower"], error["upper"]]) == (stated["value"], stated["interval"])
    fair = metrics(root, "FairnessEquity")["lv_ef: mean difference, pathology HCM, 4 patients"]
    bias = evaluation["subgroups"]["pathology"]["HCM"]["agreement"]["lv_ef"]["bias"]["value"]
    assert fair == {"kind": "single", "value": bias}
    safe = metrics(root, "SafetyReliability")
    assert (
        safe["rv_esv: reference within the 90 % interval"]["value"] == 100 * evaluation["coverage"]["rv_esv"]
    )


def test_what_they_do_not_state_is_unknown() -> None:
    root = card_of("coronary")
    for path in ("BasicInfo/DeveloperContact", "ReleaseInfo/ReleaseDate", "Warnings/ClinicalRiskLevel"):
        assert text(root, path) == UNKNOWN
    assert metrics(root, "FairnessEquity") == {"not measured": {"kind": "single", "value": None}}


def test_without_an_evaluation_nothing_is_measured() -> None:
    written = chai_card(load_card(model_folder("sax")), "Short-axis cine MR", None, ())
    root = ET.fromstring(written)  # noqa: S314 - ours
    check(root, REQUIRED)
    assert list(metrics(root, "SafetyReliability")) == ["not measured"]
    assert text(root, "KeyMetrics/SafetyReliability/TestType") == UNKNOWN


def test_it_is_written_to_a_file(tmp_path: Path) -> None:
    out = tmp_path / "sax.xml"
    assert CliRunner().invoke(app, ["models", "card", "sax", "--out", str(out)]).exit_code == 0
    assert out.read_bytes().startswith(b"<?xml")
