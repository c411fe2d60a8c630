"""Late enhancement in a straight line, on phantoms whose infarct is known, with labels that are handed in."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom import dcmread

from cvai.analyses import cine_sax, late_enhancement
from cvai.analyses.late_enhancement.segmenter import EnhancementSegmenter
from cvai.analyses.registry import ReadyAnalysis, ready_analyses
from cvai.analyses.spec import STACK, Correction
from cvai.dicom.read.read import open_studies
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.result_json import read_entry
from cvai.domain.anatomy import LGE_LABELS, SAX_LABELS, Structure
from cvai.domain.cine import CineStack
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.series_choice import SeriesChoice
from cvai.domain.tissue.labelled import LabelledSlices
from cvai.domain.tissue.segments import share_name
from cvai.domain.tissue.shares import CAVITY, HEALTHY
from cvai.domain.uncertainty import ByDoubt, Uncertainty
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level
from cvai.errors import HeartRefused
from cvai.models.sax import SaxSegmenter
from cvai.models.segmenter import Segmenter
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
    open_percent: float | None = None

    @property
    def identity(self) -> ModelIdentity:
        return outcome_model()

    def segment(self, images: NDArray[np.float32]) -> LabelledSlices:
        places = [
            next(z for z, plane in enumerate(self.phantom.pixels) if np.array_equal(plane, image))
            for image in images
        ]
        return LabelledSlices(self.labels[places], self.open_percent)


@pytest.fixture(scope="module")
def phantom() -> EnhancementPhantom:
    return make_enhancement_phantom(PhantomHeart.drawn(3), SMALL, SCAR)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("enhancement")
    write_enhancement_study(folder, SCAR, SMALL)
    return folder / "dicom"


def ready(drawn: DrawnInfarct, cine: Segmenter | None = None) -> ReadyAnalysis:
    return ReadyAnalysis(late_enhancement.SPEC, lambda: EnhancementSegmenter(drawn, cine))


def analysed(
    source: Path, out: Path, drawn: DrawnInfarct, cine: Segmenter | None = None
) -> tuple[StudyOutcome, dict[str, Any]]:
    analyses = [ready(drawn, cine)]
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


def test_what_the_network_leaves_open_widens_the_interval(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    known = Uncertainty(0.9, {"infarct_share": 24.0}, {}, by_doubt=ByDoubt({"infarct_share": 4.0}, least=1.0))
    widths = []
    for open_percent in (None, 0.1, 2.5):
        drawn = DrawnInfarct(phantom, phantom.labels, known, open_percent)
        _, entry = analysed(study, tmp_path / str(open_percent), drawn)
        (share,) = (m for m in entry["measurements"] if m["name"] == "infarct_share")
        widths.append(share["interval"][1] - share["value"])
    assert widths == pytest.approx([24.0, 4.0, 10.0])


def test_objects_are_valid_and_the_segmentation_reads_back(
    phantom: EnhancementPhantom, both: Path, tmp_path: Path, dciodvfy: str
) -> None:
    drawn = DrawnInfarct(phantom, phantom.labels)
    outcome, _ = analysed(both, tmp_path, drawn, DrawnVentricles(phantom))
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
    with open_studies(both) as opened:
        reopened = late_enhancement.reopen_enhancement(opened.studies[0], {"seg_lge": seg})
    order = DrawnInfarct(phantom, phantom.labels).segment(reopened.stack.stack.phase(0)).labels
    np.testing.assert_array_equal(reopened.labels[0], order)


def test_a_reader_s_contours_are_measured_anew(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    outcome, _ = analysed(study, tmp_path, DrawnInfarct(phantom, phantom.labels))
    (seg,) = (written.path for written in outcome.objects if written.kind == "seg_lge")
    healthy = np.where(phantom.labels > HEALTHY, HEALTHY, phantom.labels).astype(np.uint8)
    with open_studies(study) as opened:
        reopened = late_enhancement.reopen_enhancement(opened.studies[0], {"seg_lge": seg})
        drawn = DrawnInfarct(phantom, healthy).segment(reopened.stack.stack.phase(0)).labels
        draft = Correction({STACK: drawn[None]}, {STACK: (KeyPhases(0, 0),)}, outcome_model(), None)
        again = late_enhancement.remeasured_enhancement(reopened, draft)
    share = again.measurement("infarct_share")
    assert share is not None
    assert share.value == 0
    assert "rules_disagree" in {finding.code for finding in again.findings}


def test_a_refused_study_is_read_by_hand(phantom: EnhancementPhantom, study: Path, tmp_path: Path) -> None:
    by_hand = SeriesChoice("", "Hart^Ada", datetime(2026, 3, 1, tzinfo=UTC), by_hand="heart_not_found")
    nothing = DrawnInfarct(phantom, np.zeros_like(phantom.labels))
    (outcome,) = analyse_folder(study, tmp_path, [ready(nothing)], chosen=by_hand)
    entry = read_entry(outcome.folder / "result.json")
    assert (outcome.status, outcome.objects, entry["measurements"]) == ("analysed", (), [])
    with open_studies(study) as opened:
        reopened = late_enhancement.reopen_enhancement(replace(opened.studies[0], chosen=by_hand), {})
        assert not reopened.labels.any()
        with pytest.raises(HeartRefused, match="In no slice"):
            drawn_by_hand(reopened, reopened.labels)
        drawn = DrawnInfarct(phantom, phantom.labels).segment(reopened.stack.stack.phase(0)).labels
        again = drawn_by_hand(reopened, drawn[None])
    share = again.measurement("infarct_share")
    assert share is not None
    assert share.value == pytest.approx(phantom.truth.infarct_share_percent)
    assert "read_by_hand" in {finding.code for finding in again.findings}


def drawn_by_hand(
    reopened: late_enhancement.ReopenedEnhancement, labels: NDArray[np.uint8]
) -> late_enhancement.EnhancementAnalysis:
    model = ModelIdentity.of_hand("1.0")
    draft = Correction({STACK: labels}, {STACK: (KeyPhases(0, 0),)}, model, None)
    return late_enhancement.remeasured_enhancement(reopened, draft)


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
    phantom: EnhancementPhantom, both: Path, tmp_path: Path
) -> None:
    truth = phantom.truth
    (cine,) = (one for one in ready_analyses() if one.spec is cine_sax.SPEC)
    short_axis = cine.model()
    assert isinstance(short_axis, SaxSegmenter)
    analyses = [cine, ready(DrawnInfarct(phantom, phantom.labels), short_axis)]
    (outcome,) = analyse_folder(both, tmp_path, analyses)
    assert [a.status for a in outcome.analyses] == ["analysed", "analysed"]
    cine_record, enhancement = (a.record for a in outcome.analyses)
    assert cine_record["series_uid"] != enhancement["series_uid"]
    assert values_of(enhancement)["infarct_share"] == pytest.approx(truth.infarct_share_percent)
    assert values_of(cine_record)["lv_mass"] == pytest.approx(truth.lv_mass_g, rel=0.2)
    assert enhancement["findings"] == []
    (remark,) = enhancement["remarks"]
    assert remark.endswith(f"the cine of the study, as sax {short_axis.identity.version} labels it.")
    errors = [values_of(enhancement)[n] - percent for n, percent in truth.segments_percent.items()]
    assert np.abs(errors).max() < 8.0, "5 degrees of 60, of which the infarct takes three quarters, are 6"
    numbers = [dcmread(o.path, stop_before_pixels=True).SeriesNumber for o in outcome.objects]
    assert len(set(numbers)) == len(numbers)


def test_late_enhancement_or_a_cine_alone_gives_one_result_and_no_refusal(
    phantom: EnhancementPhantom, study: Path, tmp_path: Path
) -> None:
    (cine,) = (one for one in ready_analyses() if one.spec is cine_sax.SPEC)
    both = [cine, ready(DrawnInfarct(phantom, phantom.labels))]
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


@dataclass(frozen=True)
class DrawnVentricles:
    """Labels the end-diastolic phase of a phantom's cine with what is true of it."""

    phantom: EnhancementPhantom
    has_right: bool = True
    uncertainty: Uncertainty | None = None

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("true", "1.0", "0" * 64, "none")

    def segment(self, stack: CineStack) -> CineSegmentation:
        truth = self.phantom.cine
        ed = truth.truth.phases.end_diastole
        phase = stack.phase(0)
        assert phase.shape == truth.pixels[ed].shape
        in_order = np.array_equal(phase, truth.pixels[ed])
        assert in_order or np.array_equal(phase[::-1], truth.pixels[ed]), "not the phase of late enhancement"
        labels = truth.labels.labels[ed][:: 1 if in_order else -1]
        if not self.has_right:
            labels = np.where(labels == SAX_LABELS[Structure.RV_CAVITY], 0, labels)
        return CineSegmentation(labels[None].copy(), stack.geometry)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Late enhancement and the cine of the same heart."""
    folder = tmp_path_factory.mktemp("both")
    write_enhancement_study(folder, SCAR, SMALL, with_cine=True)
    return folder / "dicom"


def moved(source: Path, folder: Path, by_mm: NDArray[np.float64]) -> Path:
    """The same study with late enhancement of a patient who has moved since the cine, in LPS."""
    shutil.copytree(source, folder)
    for path in folder.glob("enhancement_*.dcm"):
        ds = dcmread(path)
        ds.ImagePositionPatient = [f"{mm:.6f}" for mm in np.array(ds.ImagePositionPatient, float) + by_mm]
        ds.save_as(path)
    return folder


def test_every_segment_has_the_infarct_that_was_painted(
    phantom: EnhancementPhantom, both: Path, tmp_path: Path
) -> None:
    drawn = DrawnInfarct(phantom, phantom.labels)
    _, entry = analysed(both, tmp_path, drawn, DrawnVentricles(phantom))
    values, truth = values_of(entry), phantom.truth.segments_percent
    assert entry["findings"] == []
    assert len(truth) == len(WALL_SEGMENTS)
    assert max(truth.values()) > 60
    assert min(truth.values()) == 0
    for name, percent in truth.items():
        assert values[name] == pytest.approx(percent, abs=3.0), name


def test_segments_are_not_counted_without_the_right_ventricle(
    phantom: EnhancementPhantom, both: Path, tmp_path: Path
) -> None:
    drawn = DrawnInfarct(phantom, phantom.labels)
    _, entry = analysed(both, tmp_path, drawn, DrawnVentricles(phantom, has_right=False))
    values = values_of(entry)
    assert [f["code"] for f in entry["findings"]] == ["segments_not_measured"]
    assert "insertions of the right ventricle" in entry["findings"][0]["message"]
    assert {share_name(level) for level in Level} <= values.keys()
    assert not {share_name(segment) for segment in WALL_SEGMENTS} & values.keys()


@pytest.mark.parametrize(("by_mm", "is_flagged"), [(6.0, False), (20.0, True)])
def test_contours_that_lie_elsewhere_than_those_of_the_cine_are_flagged(
    phantom: EnhancementPhantom, both: Path, tmp_path: Path, by_mm: float, is_flagged: bool
) -> None:
    source = moved(both, tmp_path / "study", by_mm * phantom.cine.labels.geometry.row_cosine)
    drawn = DrawnInfarct(phantom, phantom.labels)
    _, entry = analysed(source, tmp_path / "out", drawn, DrawnVentricles(phantom))
    flagged = [f["message"] for f in entry["findings"] if f["code"] == "enhancement_and_cine_disagree"]
    apart_mm = [int(mm) for message in flagged for mm in re.findall(r"(\d+) mm apart", message)]
    assert apart_mm == ([pytest.approx(by_mm, abs=1.0)] if is_flagged else [])
    for name, percent in phantom.truth.segments_percent.items():
        assert values_of(entry)[name] == pytest.approx(percent, abs=3.0), "a direction does not move"


def test_a_reader_s_contours_are_measured_by_the_same_septum(
    phantom: EnhancementPhantom, both: Path, tmp_path: Path
) -> None:
    drawn = DrawnInfarct(phantom, phantom.labels)
    outcome, entry = analysed(both, tmp_path, drawn, DrawnVentricles(phantom))
    (seg,) = (written.path for written in outcome.objects if written.kind == "seg_lge")
    with open_studies(both) as opened:
        reopened = late_enhancement.reopen_enhancement(opened.studies[0], {"seg_lge": seg})
        beats = {STACK: (KeyPhases(0, 0),)}
        draft = Correction({STACK: reopened.labels}, beats, outcome_model(), None, entry["factors"])
        again = late_enhancement.remeasured_enhancement(reopened, draft)
    before, after = values_of(entry), {m.name: m.value for m in again.measurements}
    assert after == pytest.approx(before)
    assert again.factors == entry["factors"]
    assert again.findings == ()
