"""A model's card as the Applied Model Card of the Coalition for Health AI (CHAI), version 0.2.

The schema is https://mc.chai.org/v0.2/schema.xsd. It says which elements there are, in which order, and that
their content is text; how ``ValueJson`` looks is taken from its published examples. What neither card.toml
nor evaluation.json states is stated as unknown, and elements that may be left out then are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from xml.etree import ElementTree as ET

from cvai.models.card import InputCard, ModelCard

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"

UNKNOWN = "Unknown: neither the model's card nor its evaluation states it."

Content: TypeAlias = "str | Sequence[tuple[str, Content]]"
"""Text of an element, or its elements in order."""

_LEVEL = 95
"""Per cent; of intervals in evaluations."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One result.

    Args:
        label: what it is.
        value: None where nothing was measured.
        interval: 95 % interval; None where there is none.
        unit: for readers, empty where it is in the label.
    """

    label: str
    value: float | None
    interval: tuple[float, float] | None = None
    unit: str = ""

    @property
    def json(self) -> str:
        """As CHAI's examples have it."""
        unit = {"unit": self.unit} if self.unit else {}
        if self.interval is None or self.value is None:
            return json.dumps({"kind": "single", "value": self.value, **unit})
        low, high = self.interval
        estimate = {"kind": "estimate_ci", "estimate": self.value, "lower": low, "upper": high}
        return json.dumps({**estimate, "level": _LEVEL, **unit})


def chai_card(
    card: ModelCard, title: str, evaluation: Mapping[str, Any] | None, accuracy: Sequence[Metric]
) -> bytes:
    """The card as an XML document.

    Args:
        card: of the model.
        title: of the analysis that uses it.
        evaluation: its evaluation.json; None where there is none of this very file.
        accuracy: how good it is, by this evaluation.
    """
    root = ET.Element("AppliedModelCard", xmlns=NAMESPACE)
    _append(root, _sections(card, title, evaluation or {}, accuracy))
    ET.indent(root, "\t")
    written: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _append(parent: ET.Element, content: Content) -> None:
    if isinstance(content, str):
        parent.text = content
        return
    for name, inner in content:
        _append(ET.SubElement(parent, name), inner)


def _sections(
    card: ModelCard, title: str, evaluation: Mapping[str, Any], accuracy: Sequence[Metric]
) -> Content:
    return (
        (
            "BasicInfo",
            (("ModelName", card.name), ("ModelDeveloper", UNKNOWN), ("DeveloperContact", UNKNOWN)),
        ),
        (
            "ReleaseInfo",
            (
                ("ReleaseStage", UNKNOWN),
                ("ReleaseDate", UNKNOWN),
                ("ReleaseVersion", card.version),
                ("GlobalAvailability", f"{UNKNOWN} Licence of the model: {card.license}."),
            ),
        ),
        (
            "ModelSummary",
            (("Summary", _summary(card, title)), ("Keywords", (("Keyword", title), ("Keyword", card.view)))),
        ),
        ("UsesAndDirections", _uses(card)),
        ("Warnings", _warnings(card)),
        ("TrustIngredients", (("AISystemFacts", _facts(card)), ("TransparencyInformation", _transparency()))),
        ("KeyMetrics", _metrics(evaluation, accuracy)),
        (
            "Resources",
            (("PeerReviewedPublications", UNKNOWN), ("PatientConsentOrDisclosure", UNKNOWN)),
        ),
        ("Bibliography", _bibliography(card.training.citation)),
    )


def _summary(card: ModelCard, title: str) -> str:
    convention = "" if card.convention is None else f" Contours {card.convention}."
    return f"{title}: a network that labels {_labels(card)}.{convention}"


def _labels(card: ModelCard) -> str:
    return ", ".join(str(label).replace("_", " ") for label in card.labels)


def _uses(card: ModelCard) -> Content:
    return (
        ("IntendedUseAndWorkflow", card.intended_use),
        ("PrimaryIntendedUsers", UNKNOWN),
        ("HowToUse", UNKNOWN),
        ("TargetedPatientPopulation", UNKNOWN),
        ("CautionedOutOfScopeSettings", f"Anything beyond the intended use: {card.intended_use}"),
    )


def _warnings(card: ModelCard) -> Content:
    worse = [
        f"- {number.number}: {number.before:g} in the model before, "
        f"{'none' if number.after is None else f'{number.after:g}'} in this one. Accepted: {number.because}."
        for number in card.accepted
    ]
    known = "Worse than the model before it by more than a margin:\n" + "\n".join(worse) if worse else UNKNOWN
    return (
        ("KnownRisksAndLimitations", known),
        ("KnownBiasesOrEthicalConsiderations", UNKNOWN),
        ("ClinicalRiskLevel", UNKNOWN),
    )


def _facts(card: ModelCard) -> Content:
    channels = ", ".join(card.input.channels)
    spacing = f", {card.input.spacing_mm:g} mm a pixel" if isinstance(card.input, InputCard) else ""
    training = card.training
    return (
        ("OutcomesAndOutputs", f"A label for each pixel: {_labels(card)}."),
        ("ModelType", f"Segmentation network, file {card.file}, SHA-256 {card.sha256}."),
        ("InputDataSource", f"Images of the kind {card.view}; channels: {channels}."),
        (
            "OutputAndInputDataTypes",
            f"Input: grey values, {card.input.size} x {card.input.size} pixels{spacing}. Output: labels.",
        ),
        (
            "DevelopmentDataCharacterization",
            f"{training.data}. Patients or images: {training.patients}. Split: {training.split}.",
        ),
        ("BiasMitigationApproaches", UNKNOWN),
        ("OngoingMaintenance", UNKNOWN),
    )


def _transparency() -> Content:
    return (("FundingSource", UNKNOWN), ("StakeholdersConsulted", UNKNOWN))


def _metrics(evaluation: Mapping[str, Any], accuracy: Sequence[Metric]) -> Content:
    groups = {
        "UsefulnessUsabilityEfficacy": accuracy,
        "FairnessEquity": tuple(_by_subgroup(evaluation)),
        "SafetyReliability": tuple(_reliability(evaluation)),
    }
    return tuple((name, _metric_group(evaluation, metrics)) for name, metrics in groups.items())


def _metric_group(evaluation: Mapping[str, Any], metrics: Sequence[Metric]) -> Content:
    shown = metrics or (Metric("not measured", None),)
    results = tuple(("MetricResult", (("Label", m.label), ("ValueJson", m.json))) for m in shown)
    return (
        ("MetricGoal", UNKNOWN),
        ("Results", results),
        ("Interpretation", UNKNOWN),
        ("TestType", "Retrospective, on reference contours." if evaluation else UNKNOWN),
        ("TestingDataDescription", _testing_data(evaluation)),
        ("ValidationProcessAndJustification", _process(evaluation)),
    )


def _testing_data(evaluation: Mapping[str, Any]) -> str:
    if not evaluation:
        return UNKNOWN
    of = "patients" if "patients" in evaluation else "images"
    return f"{evaluation[of]} {of}, validation part of {evaluation['split']}."


def _process(evaluation: Mapping[str, Any]) -> str:
    if not evaluation:
        return UNKNOWN
    schema, version = evaluation["schema"], evaluation["cvai_version"]
    return f"cvai evaluate {version}, {schema}; {_LEVEL} % bootstrap intervals. Justification: {UNKNOWN}"


def _by_subgroup(evaluation: Mapping[str, Any]) -> Iterator[Metric]:
    """Bias of the main quantity in each group that the data set states."""
    quantity = (evaluation.get("flags") or {}).get("quantity")
    for grouping, groups in (evaluation.get("subgroups") or {}).items():
        for name, group in groups.items():
            found = group["agreement"].get(quantity)
            if found is not None:
                label = f"{quantity}: mean difference, {grouping} {name}, {found['n']} patients"
                yield _estimate(label, found["bias"])


def _estimate(label: str, stated: Mapping[str, Any]) -> Metric:
    interval = stated["interval"]
    return Metric(label, stated["value"], None if interval is None else (interval[0], interval[1]))


def _reliability(evaluation: Mapping[str, Any]) -> Iterator[Metric]:
    for quantity, share in (evaluation.get("coverage") or {}).items():
        held = None if share is None else 100 * share
        yield Metric(f"{quantity}: reference within the 90 % interval", held, unit="%")
    if flags := evaluation.get("flags"):
        beyond = f"{flags['quantity']}: errors beyond {flags['gross_error_points']:g} points"
        yield Metric(beyond, flags["gross"], unit="count")
        yield Metric(f"{beyond}, without a finding", len(flags["missed"]), unit="count")
    if "refused" in evaluation:
        yield Metric("patients without a result", len(evaluation["refused"]), unit="count")


def _bibliography(citation: str) -> str:
    """BibTeX; the card has the citation as running text."""
    text = citation.replace("{", "(").replace("}", ")")
    return f"@misc{{training_data,\n  note = {{{text}}}\n}}"
