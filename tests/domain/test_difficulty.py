from __future__ import annotations

import numpy as np
import pytest

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.difficulty import Likeness
from cvai.domain.geometry import StackGeometry
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.shown import PhaseShown
from cvai.domain.uncertainty import Adaptive, Uncertainty
from cvai.domain.ventricles.doubt import doubt_findings, of_patient, require_like_training
from cvai.errors import HeartRefused

LIKENESS = Likeness(
    {"noise": 0.0, "blood": 0.5},
    {"noise": 1.0, "blood": 0.1},
    usual=1.0,
    elsewhere=2.0,
    unlike=3.0,
    too_far=6.0,
)
ADAPTIVE = Adaptive({"lv_ef": 3.0, "lv_edv": 4.0}, {Structure.LV_CAVITY: 0.01}, {"lv_ef": 7.0}, LIKENESS)
KNOWN = Uncertainty(0.9, {"lv_ef": 5.0, "rv_ef": 9.0}, {"lv_edv": 0.1}, ADAPTIVE)
VALUES = {"lv_edv": 100.0, "lv_esv": 50.0, "lv_ef": 50.0}
PHASES = KeyPhases(0, 1)


def shown(doubt: float, noise: float = 0.0) -> PhaseShown:
    return PhaseShown(dict.fromkeys(SAX_LABELS, doubt), {"noise": noise, "blood": 0.5})


def seen(doubt: float, noise: float = 0.0) -> CineSegmentation:
    labels = np.zeros((2, 3, 4, 4), dtype=np.uint8)
    phase = shown(doubt, noise)
    return CineSegmentation(labels, StackGeometry.unplaced(3, (8.0, 1.5, 1.2)), 0.0, {0: phase, 1: phase})


def codes(segmentation: CineSegmentation) -> list[str]:
    patient = KNOWN.of_patient(*segmentation.shown.values(), VALUES)
    return [finding.code for finding in doubt_findings(KNOWN, patient, segmentation, PHASES)]


def test_an_interval_grows_with_the_doubt_of_the_model() -> None:
    patient = KNOWN.of_patient(shown(0.02), shown(0.02), VALUES)
    assert patient.half_width("lv_edv", 100.0) == pytest.approx(4.0 * 0.02 * 100.0)
    assert patient.half_width("lv_ef", 50.0) == pytest.approx(3.0 * 50.0 * 0.02 * np.sqrt(2))


def test_less_doubt_than_the_least_counts_as_the_least() -> None:
    assert KNOWN.of_patient(shown(0.0), shown(0.0), VALUES).shares["lv_edv"] == pytest.approx(0.04)


def test_what_readers_elsewhere_differ_by_is_added_in_quadrature_to_foreign_images() -> None:
    patient = KNOWN.of_patient(shown(0.02, noise=9.0), shown(0.02, noise=9.0), VALUES)
    assert patient.half_widths["lv_ef"] == pytest.approx(np.hypot(3.0 * np.sqrt(2), 7.0))


def test_what_has_no_factor_keeps_the_half_width_of_every_patient() -> None:
    assert KNOWN.of_patient(shown(0.5), shown(0.5), VALUES).half_widths["rv_ef"] == 9.0


def test_without_anything_shown_the_intervals_of_every_patient_hold() -> None:
    bare = CineSegmentation(np.zeros((2, 3, 4, 4), np.uint8), StackGeometry.unplaced(3, (8.0, 1.5, 1.2)))
    assert of_patient(KNOWN, bare, PHASES, ()) is KNOWN
    assert doubt_findings(KNOWN, KNOWN, bare, PHASES) == ()
    require_like_training(KNOWN, bare, PHASES)


def test_usual_images_of_which_the_model_is_sure_have_no_finding() -> None:
    assert codes(seen(0.02)) == []


def test_a_wide_interval_of_the_ejection_fraction_is_a_finding() -> None:
    assert codes(seen(0.06)) == ["ejection_fraction_uncertain"]


def test_strange_images_are_a_finding_that_names_what_stands_out() -> None:
    segmentation = seen(0.02, noise=5.0)
    assert codes(segmentation) == ["image_unlike_training"]
    (finding,) = doubt_findings(KNOWN, None, segmentation, PHASES)
    assert "noise (+5.0 SD)" in finding.message


def test_images_far_from_the_training_are_refused() -> None:
    require_like_training(KNOWN, seen(0.02, noise=5.0), PHASES)
    with pytest.raises(HeartRefused) as refused:
        require_like_training(KNOWN, seen(0.02, noise=9.0), PHASES)
    assert refused.value.code == "image_far_from_training"


def test_a_ventricle_without_stroke_volume_has_no_interval_of_one() -> None:
    patient = KNOWN.of_patient(shown(0.02), shown(0.02), {"lv_edv": 50.0, "lv_esv": 60.0})
    assert patient.half_width("lv_edv", 50.0) == pytest.approx(4.0)
    assert patient.half_width("lv_sv", 1.0) is None
