"""The document of contours: what a viewer draws from it, read back by highdicom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from highdicom import sr
from pydicom import Dataset, dcmread
from pydicom.uid import ComprehensiveSRStorage
from skimage.draw import polygon2mask

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.contoured import CONTOURS
from cvai.dicom.read.read import read_studies
from cvai.dicom.write.objects.sr import Supersedes
from cvai.dicom.write.plan import Extra
from cvai.dicom.write.standing.predecessors import superseded_documents
from tests.dicom.write.echo_synthetic import echo_analysis
from tests.dicom.write.synthetic import CREATED, context_of, make_analysis, write_results
from tests.dicom.write.test_dciodvfy import complaints
from tests.dicom.write.test_verified import SIGNED

KIND, FILE = "sr_contours", "sr_contours.dcm"


@pytest.fixture(scope="module")
def analysis() -> CineAnalysis:
    return make_analysis()


@pytest.fixture(scope="module")
def folder(analysis: CineAnalysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("contours")
    write_results(analysis, folder, created=CREATED, extras=[Extra.CONTOURS])
    return folder


def groups_of(path: Path) -> list[sr.PlanarROIMeasurementsAndQualitativeEvaluations]:
    document = sr.srread(path)
    return list(document.content.get_planar_roi_measurement_groups())


def regions_of(group: sr.PlanarROIMeasurementsAndQualitativeEvaluations) -> tuple[np.ndarray, Dataset]:
    """Points (column, row) and the image that they are on."""
    region = group.roi
    (image,) = region.ContentSequence
    return region.value, image.ReferencedSOPSequence[0]


@pytest.mark.dciodvfy
def test_the_document_has_no_errors_or_warnings(folder: Path, tmp_path: Path, dciodvfy: str) -> None:
    assert complaints(dciodvfy, folder / FILE) == []
    (tmp_path / "loops").mkdir()
    write_results(
        echo_analysis(tmp_path / "loops"), tmp_path / "out", created=CREATED, extras=[Extra.CONTOURS]
    )
    assert complaints(dciodvfy, tmp_path / "out" / FILE) == []
    frames = {regions_of(group)[1].ReferencedFrameNumber for group in groups_of(tmp_path / "out" / FILE)}
    assert len(frames) >= 2


def test_every_contour_encloses_the_pixels_of_its_labels_on_its_image(
    analysis: CineAnalysis, folder: Path
) -> None:
    places = {
        plane.sop_instance_uid: (t, z)
        for t, phase in enumerate(analysis.cine.planes)
        for z, plane in enumerate(phase)
    }
    labels, enclosed = analysis.segmentation.labels, {}
    for group in groups_of(folder / FILE):
        points, image = regions_of(group)
        np.testing.assert_array_equal(points[0], points[-1])
        name = group.tracking_identifier.split(",")[0]
        key = (name, *places[image.ReferencedSOPInstanceUID])
        # The centre of a pixel is half a pixel from its corner, where coordinates count from.
        mask = polygon2mask(labels.shape[2:], points[:, ::-1] - 0.5)
        enclosed[key] = enclosed.get(key, np.zeros_like(mask)) ^ mask
    phases = analysis.phases
    for contour in CONTOURS:
        for t in (phases.end_diastole, phases.end_systole):
            for z in range(labels.shape[1]):
                expected = np.isin(labels[t, z], contour.labels)
                found = enclosed.pop((contour.name, t, z), np.zeros_like(expected))
                np.testing.assert_array_equal(found, expected)
    assert not enclosed, "nothing is drawn on other images"


@pytest.mark.slow
def test_lines_have_tracking_uids_and_names_of_their_own(folder: Path) -> None:
    groups = groups_of(folder / FILE)
    for named in ([g.tracking_identifier for g in groups], [g.tracking_uid for g in groups]):
        assert len(set(named)) == len(groups) > 20
    assert "LV cavity, end-diastole, slice 1" in {group.tracking_identifier for group in groups}
    phases = {e.value.meaning for g in groups for e in g.get_qualitative_evaluations()}
    assert phases > {"End diastole", "End Systole"}


def test_the_document_names_the_images_of_the_key_frames_and_no_others(
    analysis: CineAnalysis, folder: Path
) -> None:
    document = dcmread(folder / FILE)
    assert document.SOPClassUID == ComprehensiveSRStorage
    assert (document.VerificationFlag, document.CompletionFlag) == ("UNVERIFIED", "COMPLETE")
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    named = {
        i.ReferencedSOPInstanceUID for s in study.ReferencedSeriesSequence for i in s.ReferencedSOPSequence
    }
    key_frames = (analysis.phases.end_diastole, analysis.phases.end_systole)
    assert named == {plane.sop_instance_uid for t in key_frames for plane in analysis.cine.planes[t]}


def test_the_document_of_measurements_is_byte_for_byte_what_it_is_without(
    analysis: CineAnalysis, folder: Path, tmp_path: Path
) -> None:
    for written in write_results(analysis, tmp_path, created=CREATED):
        assert written.path.read_bytes() == (folder / written.path.name).read_bytes()


def test_a_later_document_takes_the_place_of_the_one_of_its_class(
    analysis: CineAnalysis, folder: Path, tmp_path: Path
) -> None:
    (study,) = read_studies(folder).studies
    later = replace(analysis, model=replace(analysis.model, sha256="cd" * 32))
    superseded = superseded_documents(later, study.documents)
    write_results(later, tmp_path, created=CREATED, supersedes=superseded, extras=[Extra.CONTOURS])
    uids = context_of(analysis).uids
    for kind, name in (("sr", "sr.dcm"), (KIND, FILE)):
        (predecessor,) = dcmread(tmp_path / name).PredecessorDocumentsSequence
        (reference,) = predecessor.ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert reference.ReferencedSOPInstanceUID == uids.sop_instance(kind)
        assert reference.ReferencedSOPClassUID == dcmread(folder / name).SOPClassUID
    again = superseded_documents(analysis, study.documents)
    assert again == (), "what stands in the study is made again as it stands"


def test_a_signed_document_is_verified_and_replaces_the_first(
    analysis: CineAnalysis, tmp_path: Path, dciodvfy: str
) -> None:
    uids = context_of(analysis).uids
    earlier = Supersedes(
        analysis.study_uid, uids.series(KIND), uids.sop_instance(KIND), ComprehensiveSRStorage
    )
    signed = replace(analysis, verification=SIGNED)
    write_results(signed, tmp_path, created=CREATED, supersedes=(earlier,), extras=[Extra.CONTOURS])
    document = dcmread(tmp_path / FILE)
    assert document.VerificationFlag == "VERIFIED"
    assert "PredecessorDocumentsSequence" in document
    assert "PredecessorDocumentsSequence" not in dcmread(tmp_path / "sr.dcm")
    assert complaints(dciodvfy, tmp_path / FILE) == []
