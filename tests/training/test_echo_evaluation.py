from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.views import EchoView
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.uncertainty import Uncertainty
from cvai.errors import HeartRefused
from cvai.training.tasks.echo.camus import LabelledFrame, load_camus_patient
from cvai.training.tasks.echo.evaluation.cases import COMPARED, case_of, findings_of
from cvai.training.tasks.echo.evaluation.intervals import calibration_of, intervals_held
from cvai.training.tasks.echo.evaluation.record import record
from cvai.training.tasks.echo.evaluation.scores import patient_score, score_frame
from cvai.training.tasks.echo.reference import PatientReference
from tests.training.camus_like import write_camus_patient

MODEL = ModelIdentity("drawn", "0", "0" * 64, "none")


@dataclass(frozen=True)
class Copyist:
    """Draws what it was given, for the frame it was given it for."""

    labels: np.ndarray
    view: EchoView

    def segment(self, loop: EchoLoop) -> LoopSegmentation:  # noqa: ARG002 -- the role says so
        return LoopSegmentation(self.labels[None], self.view, 1.0)


class Blind:
    """Finds nothing."""

    def segment(self, loop: EchoLoop) -> LoopSegmentation:  # noqa: ARG002 -- the role says so
        raise HeartRefused("heart_not_found", "Nothing.")


@pytest.fixture(scope="module")
def patients(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[LabelledFrame, ...]]:
    root = tmp_path_factory.mktemp("camus")
    names = [f"patient{k:04d}" for k in range(1, 13)]
    for k, name in enumerate(names):
        write_camus_patient(root, name, "val", seed=k)
    return {name: load_camus_patient(root, name) for name in names}


def reference(name: str, ef_percent: float = 50.0) -> PatientReference:
    return PatientReference(name, ef_percent, "Good", "F", (100.0, 120.0))


def smaller(frame: LabelledFrame) -> np.ndarray:
    """The cavity without its lower tenth at end-systole: an ejection fraction that is too high."""
    labels = frame.labels.copy()
    if frame.phase == "ES":
        labels[60:][labels[60:] == ECHO_LABELS[Structure.LV_CAVITY]] = 0
    return labels


def test_a_copy_of_the_reference_scores_one_and_gives_the_reference_s_volumes(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    frames = patients["patient0001"]
    scores = [score_frame(f, reference(f.patient), Copyist(f.labels, f.view)) for f in frames]
    assert all(value == 1.0 for score in scores for value in score.dice.values())
    found = patient_score(scores, reference("patient0001"))
    assert found.measured == found.reference
    assert set(found.measured) == {"biplane", "a4c", "a2c"}


def test_a_correction_changes_what_is_measured_and_not_what_it_is_compared_with(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    frames = patients["patient0001"]
    scores = [score_frame(f, reference(f.patient), Copyist(f.labels, f.view)) for f in frames]
    plain = patient_score(scores, reference("patient0001"))
    found = patient_score(scores, reference("patient0001"), {"biplane": 0.9})
    assert found.reference == plain.reference
    assert found.measured["biplane"].esv_ml == pytest.approx(0.9 * plain.measured["biplane"].esv_ml)
    assert found.measured["biplane"].edv_ml == plain.measured["biplane"].edv_ml
    assert found.measured["a4c"] == plain.measured["a4c"]


def test_a_copy_of_the_reference_has_its_atria_and_its_strain(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    frames = patients["patient0001"]
    scores = [score_frame(f, reference(f.patient), Copyist(f.labels, f.view)) for f in frames]
    found = patient_score(scores, reference("patient0001"))
    assert set(found.atria) == {"biplane", "a4c", "a2c"}
    assert all(measured == true for measured, true in found.atria.values())
    for of_layer in found.strain.values():
        assert set(of_layer) == {"biplane", "a4c", "a2c"}
        assert all(measured == pytest.approx(true) for measured, true in of_layer.values())


def test_an_atrium_that_the_sector_cuts_off_is_not_compared(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    scores = []
    for frame in patients["patient0001"]:
        labels = frame.labels.copy()
        if frame.view.value == "a2c":
            labels[50:][labels[50:] == 0] = ECHO_LABELS[Structure.LEFT_ATRIUM]
        scores.append(score_frame(frame, reference(frame.patient), Copyist(labels, frame.view)))
    found = patient_score(scores, reference("patient0001"))
    assert found.n_cut == 1
    assert set(found.atria) == {"a4c"}


def test_a_patient_is_compared_with_what_is_stated_and_with_the_contours(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    frames = patients["patient0002"]
    scores = [score_frame(f, reference(f.patient), Copyist(f.labels, f.view)) for f in frames]
    stated = replace(reference("patient0002", ef_percent=40.0), age_years=70.0)
    known = Uncertainty(0.9, {"lv_ef": 11.0}, {"lv_edv_a4c": 0.2})
    case = case_of(scores, patient_score(scores, stated), stated, known)
    assert case.reference["lv_ef"] == case.reference["lv_ef_a4c"] == 40.0
    assert case.error("lv_edv") == case.error("lv_esv_a2c") == 0.0
    assert case.half_widths == {"lv_ef": 11.0, "lv_edv_a4c": 0.2 * case.measured["lv_edv_a4c"]}
    assert set(case.measured) == set(COMPARED)
    assert case.stated == {"sex": "F", "age": "65 and over", "image quality": "Good"}
    assert case.dice["lv_cavity ED"] == 1.0
    blind = [score_frame(f, reference(f.patient), Blind()) for f in frames]
    missed = case_of(blind, patient_score(blind, stated), stated, known)
    assert (missed.findings, missed.measured) == (("heart_not_found",), {})


def test_a_view_that_is_shorter_than_the_other_is_a_finding_of_the_patient(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    def drawn(frame: LabelledFrame) -> np.ndarray:
        labels = frame.labels.copy()
        if frame.view.value == "a2c":
            rows = np.flatnonzero((labels == ECHO_LABELS[Structure.LV_CAVITY]).any(axis=1))
            labels[: (rows[0] + rows[-1]) // 2] = 0
        return labels

    frames = patients["patient0001"]
    scores = [score_frame(f, reference(f.patient), Copyist(drawn(f), f.view)) for f in frames]
    assert "view_foreshortened" in findings_of(scores, patient_score(scores, reference("patient0001")))


def test_what_was_not_found_scores_nothing_and_has_no_volume(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    frames = patients["patient0001"]
    scores = [score_frame(f, reference(f.patient), Blind()) for f in frames]
    assert all(value == 0.0 for score in scores for value in score.dice.values())
    assert patient_score(scores, reference("patient0001")).measured == {}


def test_one_lost_view_leaves_the_other_one(patients: dict[str, tuple[LabelledFrame, ...]]) -> None:
    frames = patients["patient0001"]
    scores = [
        score_frame(f, reference(f.patient), Blind() if f.view.value == "a2c" else Copyist(f.labels, f.view))
        for f in frames
    ]
    assert set(patient_score(scores, reference("patient0001")).measured) == {"a4c"}


def test_a_record_counts_agreement_views_and_what_was_taken_for_a_view(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    scores, of_patients = [], []
    for name, frames in patients.items():
        found = [score_frame(f, reference(name), Copyist(f.labels, f.view)) for f in frames]
        ef = patient_score(found, reference(name)).reference["biplane"].ef_percent
        of_patients.append(patient_score(found, reference(name, ef_percent=ef - 2.0)))
        scores += found
    scores[0] = replace(scores[0], named=EchoView.APICAL_2_CHAMBER)
    others = [EchoView.OTHER, None, EchoView.APICAL_4_CHAMBER]
    values = record(scores, of_patients, others, MODEL, "a.toml")
    biplane = values["ejection_fraction"]["biplane"]
    assert biplane["bias"]["value"] == pytest.approx(2.0)
    assert biplane["sd"]["value"] == pytest.approx(0.0, abs=1e-6)
    assert values["view"]["accuracy"] == pytest.approx(1 - 2 / 51, abs=1e-4)
    assert values["view"]["others_taken_for_a_view"] == 1
    assert values["dice"]["ED"]["lv_cavity"]["value"] == 1.0
    assert values["ejection_fraction_by_image_quality"]["Poor"] is None


def test_intervals_of_the_card_come_from_the_errors_found(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    of_patients = []
    for k, (name, frames) in enumerate(patients.items()):
        found = [score_frame(f, reference(name), Copyist(f.labels, f.view)) for f in frames]
        ef = patient_score(found, reference(name)).reference["biplane"].ef_percent
        of_patients.append(patient_score(found, reference(name, ef_percent=ef - k)))  # errors 0 to 11
    card = calibration_of(of_patients)
    assert card.half_widths["lv_ef"] == pytest.approx(11.0, abs=0.01)  # the 12th of 12: ceil(13 * 0.9)
    assert card.shares["lv_edv"] == pytest.approx(0.0)
    assert {"lv_ef_a4c", "lv_ef_a2c"} < set(card.half_widths)


def test_intervals_follow_the_doubt_where_errors_do(patients: dict[str, tuple[LabelledFrame, ...]]) -> None:
    of_patients = []
    for k, (name, frames) in enumerate(patients.items(), start=1):
        found = [score_frame(f, reference(name), Copyist(f.labels, f.view)) for f in frames]
        found = [replace(score, doubt=0.01 * k) for score in found]
        ef = patient_score(found, reference(name)).reference["biplane"].ef_percent
        of_patients.append(patient_score(found, reference(name, ef_percent=ef - k)))  # 100 points a doubt
    by_doubt = calibration_of(of_patients).by_doubt
    assert by_doubt is not None
    assert by_doubt.factors["lv_ef"] == pytest.approx(100.0, rel=0.01)
    assert by_doubt.least == pytest.approx(0.0375)  # the 25th percentile of 0.01 to 0.12
    held = intervals_held(of_patients)["lv_ef"]
    assert held["same_for_all"]["held"] == pytest.approx(11 / 12, abs=0.001)
    assert held["by_doubt"]["held"] == 1.0
    least, most = held["by_doubt"]["median_half_width_by_third"][::2]
    assert most > 2.5 * least


def test_too_few_patients_show_nothing_of_intervals(patients: dict[str, tuple[LabelledFrame, ...]]) -> None:
    of_patients = []
    for name, frames in list(patients.items())[:9]:
        found = [score_frame(f, reference(name), Copyist(f.labels, f.view)) for f in frames]
        of_patients.append(patient_score(found, reference(name)))
    assert intervals_held(of_patients) == {}


def test_a_ventricle_drawn_too_small_at_end_systole_ejects_too_much(
    patients: dict[str, tuple[LabelledFrame, ...]],
) -> None:
    frames = patients["patient0002"]
    scores = [score_frame(f, reference(f.patient), Copyist(smaller(f), f.view)) for f in frames]
    found = patient_score(scores, reference("patient0002"))
    for method, volumes in found.measured.items():
        assert volumes.ef_percent >= found.reference[method].ef_percent
