"""The straight line with a segmenter that draws a known heart, on small studies written to disk."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ComprehensiveSRStorage

from cvai.analyses import cine_sax
from cvai.analyses.spec import STACK, Correction
from cvai.dicom.read.read import open_studies
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.result_json import read_entry
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.cine import CineStack
from cvai.domain.measurement import IntervalOrigin
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.domain.series_choice import SeriesChoice
from cvai.domain.uncertainty import Uncertainty
from cvai.errors import TemporarilyUnavailable
from cvai.pipeline import StudyOutcome, analyse_folder
from tests.dicom.read.dicom_files import FOUR_CHAMBER, SeriesSpec, images, write
from tests.dicom.read.ultrasound_files import STUDY as ULTRASOUND
from tests.dicom.read.ultrasound_files import beating_frames, write_loop
from tests.dicom.write.test_record import validate
from tests.faults import no_more_files
from tests.ready import ready

pytestmark = pytest.mark.slow

CINE = SeriesSpec(n_slices=7, n_phases=10, rows=18, columns=25)
BY_HAND = SeriesChoice("", "Hart^Ada", datetime(2026, 3, 1, 9, 0, tzinfo=UTC), by_hand="heart_lost")
VOXEL_ML = 10.0 * 1.25 * 1.75 / 1000


@dataclass(frozen=True)
class DrawnHeart:
    """Labels a square ventricle of so many voxels a slice in every phase, whatever the image shows."""

    sides: tuple[int, ...] = (9, 8, 7, 6, 5, 5, 6, 7, 8, 9)
    uncertainty: Uncertainty | None = None

    @property
    def identity(self) -> ModelIdentity:
        return ModelIdentity("drawn", "1.0", "0" * 64, "none")

    def segment(self, stack: CineStack) -> CineSegmentation:
        labels = np.zeros(stack.pixels.shape, dtype=np.uint8)
        for t, side in enumerate(self.sides):
            if side:
                labels[t, :, 2 : side + 6, 2 : side + 6] = SAX_LABELS[Structure.LV_MYOCARDIUM]
                labels[t, :, 4 : side + 4, 4 : side + 4] = SAX_LABELS[Structure.LV_CAVITY]
                labels[t, :, 4 : side + 4, 15 : side + 15] = SAX_LABELS[Structure.RV_CAVITY]
        return CineSegmentation(labels, stack.geometry)


def analysed(source: Path, out: Path, heart: DrawnHeart | None = None) -> tuple[StudyOutcome, dict[str, Any]]:
    (outcome,) = analyse_folder(source, out, ready(heart or DrawnHeart()), extras=list(Extra))
    return outcome, read_entry(outcome.folder / "result.json")


def by_name(record: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {m["name"]: m for m in record["measurements"]}


def test_what_was_drawn_is_what_is_measured(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    outcome, record = analysed(tmp_path / "study", tmp_path / "out")
    measured = {name: m["value"] for name, m in by_name(record).items()}
    assert outcome.status == record["status"] == "analysed"
    assert record["key_frames"]["es"] in (4, 5)
    assert record["key_frames"]["ed"] in (0, 9)
    assert measured["lv_edv"] == pytest.approx(7 * 9 * 9 * VOXEL_ML)
    assert measured["lv_esv"] == pytest.approx(7 * 5 * 5 * VOXEL_ML)
    assert measured["lv_ef"] == pytest.approx(100 * (1 - 25 / 81))
    assert record["curves"]["lv_ml"] == pytest.approx([7 * s * s * VOXEL_ML for s in DrawnHeart().sides])


def test_intervals_are_those_of_the_model(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    known = Uncertainty(0.9, half_widths={"lv_ef": 4.0}, shares={"lv_edv": 0.1})
    _, record = analysed(tmp_path / "study", tmp_path / "out", DrawnHeart(uncertainty=known))
    measured = by_name(record)
    assert measured["lv_ef"]["interval"] == pytest.approx(
        [measured["lv_ef"]["value"] - 4.0, measured["lv_ef"]["value"] + 4.0]
    )
    assert measured["lv_edv"]["interval"][1] == pytest.approx(1.1 * measured["lv_edv"]["value"])
    assert measured["rv_ef"]["interval"] is None


def test_result_report_and_sr_say_whose_intervals_these_are(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    own = Uncertainty(0.9, half_widths={"lv_ef": 4.0, "rv_ef": 9.0}, shares={"lv_edv": 0.1})
    site = IntervalOrigin(studies=64, on=date(2026, 11, 30), factor=1.5)
    said = []
    for known in (own, replace(own, of_site={"lv_ef": site})):
        heart = DrawnHeart(uncertainty=known)
        (outcome,) = analyse_folder(tmp_path / "study", tmp_path / "out", ready(heart)[:1])
        (sr,) = (dcmread(o.path) for o in outcome.objects if o.kind == "sr")
        texts = [element.value for element in sr.iterall() if element.keyword == "TextValue"]
        said.append((texts, by_name(read_entry(outcome.folder / "result.json"))))
    (texts, of_model), (texts_here, of_site) = said
    assert of_model["lv_ef"]["interval_from"] == {"of": "model", "studies": None, "on": None, "factor": 1.0}
    assert "90 % intervals: of the model." in texts
    assert of_site["lv_ef"]["interval"][1] == pytest.approx(of_site["lv_ef"]["value"] + 6.0)
    stated = {"of": "site", "studies": 64, "on": "2026-11-30", "factor": 1.5}
    assert of_site["lv_ef"]["interval_from"] == stated
    assert of_site["lv_edv"]["interval_from"]["of"] == "model"
    assert of_site["lv_mass"]["interval_from"] is None
    note = "90 % intervals: from 64 studies of this site (2026-11-30) for LV EF; of the model for the others."
    assert note in texts_here
    if program := shutil.which("pdftotext"):
        command = [program, outcome.folder / "report.pdf", "-"]
        drawn = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        assert note in " ".join(drawn.split())


def test_a_person_whose_size_and_age_are_stated_gets_indices_and_ranges(tmp_path: Path) -> None:
    stated = {"PatientSex": "M", "PatientAge": "058Y", "PatientSize": "1.8", "PatientWeight": "80"}
    write(tmp_path / "study", images(CINE.but(attributes=stated)))
    known = Uncertainty(0.9, half_widths={"lv_sv": 6.0}, shares={})
    _, record = analysed(tmp_path / "study", tmp_path / "out", DrawnHeart(uncertainty=known))
    measured = by_name(record)
    assert measured["bsa"]["value"] == pytest.approx(2.0)
    assert measured["lv_edv_index"]["value"] == pytest.approx(7 * 9 * 9 * VOXEL_ML / 2)
    assert (measured["lv_edv"]["normal"], measured["lv_edv_index"]["normal"]) == ([109, 227], [54, 109])
    low, high = measured["lv_sv_index"]["interval"]
    assert high - low == pytest.approx(6.0), "6 mL to either side are 3 mL/m2 of a body of 2 m2"


def test_a_height_in_centimetres_is_not_guessed_at(tmp_path: Path) -> None:
    stated = {"PatientSex": "M", "PatientAge": "058Y", "PatientSize": "180", "PatientWeight": "80"}
    write(tmp_path / "study", images(CINE.but(attributes=stated)))
    _, record = analysed(tmp_path / "study", tmp_path / "out")
    names = by_name(record)
    assert not any(name.endswith("_index") or name == "bsa" for name in names)
    assert names["lv_edv"]["normal"] == [109, 227]


def test_a_heart_that_is_lost_in_some_phases_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    outcome, record = analysed(
        tmp_path / "study", tmp_path / "out", DrawnHeart(sides=(9, 8, 7, 0, 0, 5, 6, 7, 8, 9))
    )
    assert outcome.objects == ()
    assert record["refused"]["code"] == "heart_lost"
    assert "2 of 10 phases" in record["refused"]["message"]


def test_a_refused_study_that_is_read_by_hand_gives_nothing_but_what_is_drawn(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    heart = DrawnHeart(sides=(9, 8, 7, 0, 0, 5, 6, 7, 8, 9))
    (outcome,) = analyse_folder(tmp_path / "study", tmp_path / "out", ready(heart), chosen=BY_HAND)
    record = read_entry(outcome.folder / "result.json")
    assert (outcome.status, outcome.objects, record["measurements"]) == ("analysed", (), [])
    validate(json.loads((outcome.folder / "result.json").read_text()))
    assert record["model"]["provider"] == "reader"
    assert record["series_chosen"]["by_hand"] == "heart_lost"
    assert {finding["code"] for finding in record["findings"]} >= {"read_by_hand", "phases_to_be_set"}
    assert not (outcome.folder / "report.pdf").exists()

    with open_studies(tmp_path / "study") as opened:
        reopened = cine_sax.reopen_cine(replace(opened.studies[0], chosen=BY_HAND), {})
        labels = reopened.segmentation.labels.copy()
        assert not labels.any()
        drawn = DrawnHeart().segment(reopened.cine.stack).labels
        labels[0] = drawn[0]
        again = remeasured(reopened, labels)
        names = {m.name for m in again.measurements}
        assert {"lv_edv", "lv_mass", "rv_edv"} <= names
        assert names.isdisjoint({"lv_esv", "lv_ef", "rv_esv", "lv_sv"}), "end-systole is not drawn"
        labels[4] = drawn[4]
        again = remeasured(reopened, labels)
        assert {"read_by_hand", "phases_not_drawn"} <= {finding.code for finding in again.findings}
        assert again.measurement("lv_ef").value == pytest.approx(100 * (1 - 25 / 81))  # type: ignore[union-attr]
        assert again.curves["lv_ml"] is None


def remeasured(reopened: cine_sax.ReopenedCine, labels: np.ndarray) -> cine_sax.CineAnalysis:
    beats = {STACK: (KeyPhases(0, 4),)}
    draft = Correction({STACK: labels.copy()}, beats, ModelIdentity.of_hand("1.0"), None)
    return cine_sax.remeasured_cine(reopened, draft)


def test_measured_and_refused_studies_say_how_they_were_acquired(tmp_path: Path) -> None:
    stated = {"Manufacturer": "Imaginary", "ManufacturerModelName": "Ring", "MagneticFieldStrength": "1.5"}
    found = images(CINE.but(attributes=stated))
    write(tmp_path / "study", found)
    write(tmp_path / "few", found[:3])
    _, measured = analysed(tmp_path / "study", tmp_path / "out")
    _, refused = analysed(tmp_path / "few", tmp_path / "none")
    assert refused["status"] == "refused"
    for acquired in (measured["acquired"], refused["acquired"]):
        assert (acquired["manufacturer"], acquired["model"]) == ("Imaginary", "Ring")
        assert acquired["field_strength_t"] == 1.5


def test_a_refused_study_tells_of_every_series_it_holds(tmp_path: Path) -> None:
    long_axis = CINE.but(series_uid=f"{CINE.series_uid}.4", axes=FOUR_CHAMBER, n_slices=1)
    still = CINE.but(series_uid=f"{CINE.series_uid}.5", n_phases=1)
    write(tmp_path / "study", [*images(long_axis), *images(still)])
    _, record = analysed(tmp_path / "study", tmp_path / "out")
    assert record["status"] == "refused"
    assert {p["series_uid"] for p in record["excluded"]} == {long_axis.series_uid, still.series_uid}
    assert all(p["reason"] for p in record["excluded"])


def test_every_study_is_measured_on_its_own(tmp_path: Path) -> None:
    other = CINE.but(study_uid="1.2.826.0.1.3680043.10.999.2", series_uid="1.2.826.0.1.3680043.10.999.2.1")
    write(tmp_path / "both", [*images(CINE), *images(other)])
    outcomes = analyse_folder(tmp_path / "both", tmp_path / "out", ready(DrawnHeart()))
    assert [o.study_uid for o in outcomes] == [CINE.study_uid, other.study_uid]


def test_results_in_the_folder_are_not_taken_for_sources(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    first, record = analysed(tmp_path / "study", tmp_path / "out")
    for written in first.objects:
        (tmp_path / "study" / written.path.name).write_bytes(written.path.read_bytes())
    second, again = analysed(tmp_path / "study", tmp_path / "again")
    assert [o.sop_instance_uid for o in second.objects] == [o.sop_instance_uid for o in first.objects]
    assert again["measurements"] == record["measurements"]


def test_two_analyses_at_once_tell_of_each_study_what_one_alone_does(tmp_path: Path) -> None:
    hearts = {"1": DrawnHeart(), "2": DrawnHeart(sides=(9, 9, 8, 8, 7, 7, 8, 8, 9, 9))}
    for name in hearts:
        write(tmp_path / name, images(replace(CINE, study_uid=f"{CINE.study_uid}.{name}")))

    def told(name: str) -> tuple[list[Any], list[bytes]]:
        outcome, record = analysed(tmp_path / name, tmp_path / "out" / name, hearts[name])
        drawn = [dcmread(o.path).PixelData for o in outcome.objects if o.path.name.startswith("seg")]
        shutil.rmtree(tmp_path / "out" / name)
        return record["measurements"], drawn

    alone = [told(name) for name in hearts]
    assert alone[0][0] != alone[1][0]
    assert all(drawn for _, drawn in alone)
    with ThreadPoolExecutor(2) as pool:
        for _ in range(3):
            assert list(pool.map(told, hearts)) == alone


def test_a_damaged_slice_refuses_the_study_instead_of_making_the_heart_smaller(tmp_path: Path) -> None:
    paths = write(tmp_path / "study", images(CINE))
    for path in paths[: CINE.n_phases]:
        path.write_bytes(path.read_bytes()[:300])
    (tmp_path / "study" / "README.txt").write_text("Look at the images.")
    outcome, record = analysed(tmp_path / "study", tmp_path / "out")
    assert outcome.study_uid == record["study_uid"] == CINE.study_uid
    assert record["refused"]["code"] == "files_unreadable"
    counts = {group["code"]: group["count"] for group in record["unreadable"]}
    assert counts == {"identity_missing": 10, "not_dicom": 1}


def test_files_beside_the_images_are_counted_in_the_result(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    for name in ("README.txt", "LICENCE.txt"):
        (tmp_path / "study" / name).write_text("Look at the images.")
    _, record = analysed(tmp_path / "study", tmp_path / "out")
    assert record["status"] == "analysed"
    assert "unreadable_files" not in {finding["code"] for finding in record["findings"]}
    (group,) = record["unreadable"]
    assert (group["code"], group["count"]) == ("not_dicom", 2)
    assert "README" not in group["message"]


def test_a_damaged_document_of_the_study_is_a_finding(tmp_path: Path) -> None:
    report = images(CINE)[0]
    report.SOPClassUID = ComprehensiveSRStorage
    del report.SeriesInstanceUID
    write(tmp_path / "study", [*images(CINE), report])
    _, record = analysed(tmp_path / "study", tmp_path / "out")
    assert "unreadable_files" in {finding["code"] for finding in record["findings"]}
    assert [group["code"] for group in record["unreadable"]] == ["identity_missing"]


def test_a_study_that_cannot_be_read_at_all_is_refused_by_its_own_uid(tmp_path: Path) -> None:
    loop = tmp_path / "study" / "loop.dcm"
    write_loop(loop, beating_frames())
    loop.write_bytes(loop.read_bytes()[:-1000])
    outcome, record = analysed(tmp_path / "study", tmp_path / "out")
    assert outcome.study_uid == ULTRASOUND
    assert record["refused"]["code"] == "truncated_file"


def test_a_disk_that_fails_says_nothing_of_the_study(tmp_path: Path) -> None:
    write(tmp_path / "study", images(CINE))
    with no_more_files(), pytest.raises(TemporarilyUnavailable):
        analyse_folder(tmp_path / "study", tmp_path / "out", ready(DrawnHeart()))
    assert not (tmp_path / "out").exists()
