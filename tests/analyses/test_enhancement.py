"""Late enhancement in a straight line, on phantoms whose infarct is known, with labels that are handed in."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from cvai.analyses import cine_sax, late_enhancement
from cvai.analyses.registry import ReadyAnalysis, ready_analyses
from cvai.analyses.spec import STACK, Correction
from cvai.dicom.read.read import open_studies
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.result_json import read_entry
from cvai.domain.anatomy import LGE_LABELS, Structure
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import ModelIdentity
from cvai.domain.tissue.shares import CAVITY, HEALTHY
from cvai.domain.uncertainty import Uncertainty
from cvai.phantom.cine_sax.study import write_phantom_study
from cvai.phantom.late_enhancement.phantom import EnhancementPhantom, Scar, make_enhancement_phantom
from cvai.phantom.late_enhancement.study import write_enhancement_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.pipeline import StudyOutcome, analyse_folder
from tests.dicom.write.test_dciodvfy import complaints

pytestmark = pytest.mark.slow

SMALL = PhantomAcquisition(n_phases=8, rows=100, columns=108, spacing_y_mm=2.6, spacing_x_mm=2.4, seed=3)
SCAR = Scar(width_deg=150.0, no_reflow=True)


@dataclass(frozen=True)
class DrawnInfarct:
    """Labels each slice of a phantom with what is true of it, whatever their order; or with other labels."""

    phantom: EnhancementPhantom
    labels: NDArray[np.uint8]
    uncertainty: Uncertainty | None = None

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("drawn", "1.0", "0" * 64, "none")

    def segment(self, images: NDArray[np.float32]) -> NDArray[np.uint8]:
        places = [
            next(z for z, plane in enumerate(self.phantom.pixels) if np.array_equal(plane, image))
            for image in images
        ]
        return self.labels[places]


@pytest.fixture(scope="module")
def phantom() -> EnhancementPhantom:
    return make_enhancement_phantom(PhantomHeart.drawn(3), SMALL, SCAR)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("enhancement")
    write_enhancement_study(folder, SCAR, SMALL)
    return folder / "dicom"


def analysed(source: Path, out: Path, drawn: DrawnInfarct) -> tuple[StudyOutcome, dict[str, Any]]:
    analyses = [ReadyAnalysis(late_enhancement.SPEC, lambda: drawn)]
    (outcome,) = analyse_folder(source, out, analyses, extras=list(Extra))
    return outcome, read_entry(outcome.folder / "result.json")


def values_of(entry: dict[str, Any]) -> dict[str, float]:
    return {m["name"]: m["value"] for m in entry["measurements"]}


def test_an_infarct_of_known_size_is_measured(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    known = Uncertainty(0.9, {"infarct_share": 4.0}, {})
    outcome, entry = analysed(study, tmp_path, DrawnInfarct(phantom, phantom.labels, known))
    values, truth = values_of(entry), phantom.truth
    assert outcome.status == "analysed"
    assert values["infarct_share"] == pytest.approx(truth.infarct_share_percent)
    assert values["no_reflow_share"] == pytest.approx(truth.no_reflow_share_percent)
    assert values["lv_mass"] == pytest.approx(truth.lv_mass_g, rel=0.01)
    assert values["infarct_mass"] == pytest.approx(
        truth.lv_mass_g * truth.infarct_share_percent / 100, rel=0.01
    )
    assert values["enhanced_share_5sd"] == pytest.approx(truth.infarct_share_percent, abs=3)
    assert values["enhanced_share_fwhm"] == pytest.approx(truth.infarct_share_percent, abs=3)
    (share,) = (m for m in entry["measurements"] if m["name"] == "infarct_share")
    assert share["interval"][1] - share["value"] == pytest.approx(4.0)
    assert (entry["view"], entry["kind"]) == ("sax_lge", "late_enhancement")
    assert [f["code"] for f in entry["findings"]] == ["no_matching_cine"]


def test_objects_are_valid_and_the_segmentation_reads_back(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path, dciodvfy: str
) -> None:
    outcome, _ = analysed(study, tmp_path, DrawnInfarct(phantom, phantom.labels))
    assert {written.kind for written in outcome.objects} == {
        "seg_lge",
        "sr",
        "pdf",
        "panels",
        "sr_contours",
        "presentation",
    }
    for written in outcome.objects:
        assert complaints(dciodvfy, written.path) == []
    (seg,) = (written.path for written in outcome.objects if written.kind == "seg_lge")
    names = [str(segment.SegmentLabel) for segment in dcmread(seg).SegmentSequence]
    assert names == [structure.display_name for structure in LGE_LABELS]
    with open_studies(study) as opened:
        reopened = late_enhancement.reopen_enhancement(opened.studies[0], {"seg_lge": seg})
    order = DrawnInfarct(phantom, phantom.labels).segment(reopened.stack.stack.phase(0))
    np.testing.assert_array_equal(reopened.labels[0], order)


def test_a_reader_s_contours_are_measured_anew(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    outcome, _ = analysed(study, tmp_path, DrawnInfarct(phantom, phantom.labels))
    (seg,) = (written.path for written in outcome.objects if written.kind == "seg_lge")
    healthy = np.where(phantom.labels > HEALTHY, HEALTHY, phantom.labels).astype(np.uint8)
    with open_studies(study) as opened:
        reopened = late_enhancement.reopen_enhancement(opened.studies[0], {"seg_lge": seg})
        drawn = DrawnInfarct(phantom, healthy).segment(reopened.stack.stack.phase(0))
        draft = Correction({STACK: drawn[None]}, {STACK: (KeyPhases(0, 0),)}, outcome_model(), None)
        again = late_enhancement.remeasured_enhancement(reopened, draft)
    share = again.measurement("infarct_share")
    assert share is not None
    assert share.value == 0
    assert "rules_disagree" in {finding.code for finding in again.findings}


def outcome_model() -> ModelIdentity:
    return ModelIdentity("drawn", "1.0", "0" * 64, "none")


def test_slices_that_do_not_cut_the_heart_across_are_refused(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    open_wall = phantom.labels.copy()
    for plane in open_wall:
        rows = np.flatnonzero((plane == CAVITY).any(axis=1))
        plane[: int(rows.mean()) if rows.size else 0] = 0
    outcome, entry = analysed(study, tmp_path, DrawnInfarct(phantom, open_wall))
    assert (outcome.status, entry["refused"]["code"]) == ("refused", "no_short_axis")


def test_an_infarct_in_the_outermost_slice_alone_is_flagged(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    labels = np.where(phantom.labels > HEALTHY, HEALTHY, phantom.labels).astype(np.uint8)
    last = int(np.flatnonzero(labels.any(axis=(1, 2)))[-1])
    labels[last][labels[last] == HEALTHY] = LGE_LABELS[Structure.INFARCT]
    _, entry = analysed(study, tmp_path, DrawnInfarct(phantom, labels))
    flagged = [f for f in entry["findings"] if f["code"] == "infarct_in_outermost_slice"]
    from_the_other_end = len(labels) - 1 - last
    assert [place["slice"] for f in flagged for place in f["where"]] == [from_the_other_end]


def test_a_study_with_cine_and_late_enhancement_gives_both_results(
    phantom: EnhancementPhantom, tmp_path: Path
) -> None:
    truth = write_enhancement_study(tmp_path / "study", SCAR, SMALL, with_cine=True)
    (cine,) = (ready for ready in ready_analyses() if ready.spec is cine_sax.SPEC)
    both = [cine, ReadyAnalysis(late_enhancement.SPEC, lambda: DrawnInfarct(phantom, phantom.labels))]
    (outcome,) = analyse_folder(tmp_path / "study", tmp_path / "out", both)
    assert [a.status for a in outcome.analyses] == ["analysed", "analysed"]
    cine_record, enhancement = (a.record for a in outcome.analyses)
    assert cine_record["series_uid"] != enhancement["series_uid"]
    assert values_of(enhancement)["infarct_share"] == pytest.approx(truth.infarct_share_percent)
    assert values_of(cine_record)["lv_mass"] == pytest.approx(truth.lv_mass_g, rel=0.2)
    assert enhancement["findings"] == []
    numbers = [dcmread(o.path, stop_before_pixels=True).SeriesNumber for o in outcome.objects]
    assert len(set(numbers)) == len(numbers)


def test_late_enhancement_or_a_cine_alone_gives_one_result_and_no_refusal(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    (cine,) = (ready for ready in ready_analyses() if ready.spec is cine_sax.SPEC)
    both = [cine, ReadyAnalysis(late_enhancement.SPEC, lambda: DrawnInfarct(phantom, phantom.labels))]
    (outcome,) = analyse_folder(study, tmp_path / "out", both)
    assert [(a.kind, a.status) for a in outcome.analyses] == [("late_enhancement", "analysed")]
    (outcome,) = analyse_folder(study, tmp_path / "cine alone", both[:1])
    assert (outcome.status, outcome.analyses) == ("nothing_to_do", ())
    write_phantom_study(tmp_path / "cine", PhantomHeart.drawn(3), SMALL)
    (tmp_path / "cine" / "dicom" / "damaged.dcm").write_bytes(b"no DICOM")
    (outcome,) = analyse_folder(tmp_path / "cine", tmp_path / "enhancement alone", both[1:])
    assert (outcome.status, outcome.analyses) == ("nothing_to_do", ())


def test_layers_and_segments_are_of_the_same_labels() -> None:
    page, editing = late_enhancement.SPEC.page, late_enhancement.SPEC.editing
    assert page is not None
    assert editing is not None
    assert {segment.number for segment in editing.segments} == set(LGE_LABELS.values())
    assert [layer.name for layer in page.layers] == ["no_reflow", "infarct", "inside", "outside"]
    assert LGE_LABELS[Structure.NO_REFLOW] in page.layers[1].labels
