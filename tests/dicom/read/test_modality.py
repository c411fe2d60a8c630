"""The modality of an image is its own, whatever else stands in its series."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset
from pydicom.uid import (
    ComprehensiveSRStorage,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from cvai.analyses import echo_apical
from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import select_loops
from cvai.dicom.write.source import verbatim_element
from tests.dicom.read.dicom_files import SeriesSpec, edited, image, images, write, write_one
from tests.dicom.read.ultrasound_files import STUDY, beating_frames, write_loop

SPEC = SeriesSpec(n_slices=3)


def screenshot(modality: str = "OT") -> Dataset:
    ds = image(SPEC, 0, 0)
    ds.SOPClassUID, ds.Modality, ds.InstanceNumber = SecondaryCaptureImageStorage, modality, 0
    ds.SOPInstanceUID = f"{SPEC.series_uid}.999"
    del ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing, ds.TriggerTime
    return ds


@pytest.mark.parametrize("modality", ["OT", "SC", "MR", ""])
def test_a_screenshot_in_the_series_costs_nothing_but_itself(tmp_path: Path, modality: str) -> None:
    write(tmp_path, [screenshot(modality), *images(SPEC)])
    (study,) = read_studies(tmp_path).studies
    selection = select_sax_cine(study)
    assert {p.sop_instance_uid for p in selection.planes} == {ds.SOPInstanceUID for ds in images(SPEC)}
    (passed,) = selection.excluded
    assert passed.series_uid == SPEC.series_uid
    assert "not an MR series" in passed.reason


def test_a_report_in_the_series_of_ultrasound_costs_nothing_but_itself(tmp_path: Path) -> None:
    write_loop(tmp_path / "1.dcm", beating_frames(), 1, FrameTime=40.0)
    (study,) = read_studies(tmp_path).studies
    (series,) = study.series
    report = Dataset()
    report.SOPClassUID, report.Modality, report.InstanceNumber = ComprehensiveSRStorage, "SR", 0
    report.StudyInstanceUID, report.SeriesInstanceUID = STUDY, series.series_uid
    report.SOPInstanceUID = f"{series.series_uid}.999"
    write_one(tmp_path / "0.dcm", report)
    (study,) = read_studies(tmp_path).studies
    assert echo_apical.SPEC.applies_to(study)
    selection = select_loops(study)
    assert len(selection.loops) == 1
    assert [(p.series_uid, p.reason) for p in selection.excluded] == [
        (series.series_uid, "no images (modality SR)")
    ]


def test_an_image_that_states_no_modality_has_that_of_its_class(tmp_path: Path) -> None:
    write(tmp_path, edited(images(SPEC), lambda ds: setattr(ds, "Modality", "")))
    (study,) = read_studies(tmp_path).studies
    assert [series.modality for series in study.series] == ["MR"]
    assert len(select_sax_cine(study).planes) == 27


@pytest.mark.parametrize(
    ("sop_class", "stated", "modality"),
    [
        (UltrasoundMultiFrameImageStorage, None, "US"),
        ("1.2.840.10008.5.1.4.1.1.3", "", "US"),
        (UltrasoundMultiFrameImageStorage, "us", "US"),
        (SecondaryCaptureImageStorage, "US", "US"),
        ("1.2.3.4", None, ""),
    ],
)
def test_what_is_stated_counts_before_the_class(sop_class: str, stated: str | None, modality: str) -> None:
    ds = Dataset()
    ds.SOPClassUID = sop_class
    if stated is not None:
        ds.add(verbatim_element("Modality", stated))
    assert modality_of(ds) == modality
