import os
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pydicom import Dataset
from pydicom.uid import (
    EnhancedXAImageStorage,
    RLELossless,
    XRayAngiographicImageStorage,
    XRayRadiofluoroscopicImageStorage,
)

from cvai.dicom.read.angiography.body_part import stated_elsewhere
from cvai.dicom.read.angiography.calibration import pixel_size
from cvai.dicom.read.angiography.runs import assemble_run, select_runs
from cvai.dicom.read.angiography.times import r_wave_frames, run_times
from cvai.dicom.read.angiography.views import AngiographyView, stated_view, turned_picture
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.values import CineNotFound
from cvai.domain.vessels.filling import best_frame, filling_of
from cvai.errors import GeometryRefused, HeartRefused
from tests.dicom.read.angiography_files import set_pixels, small_run, study_of

REAL = Path(os.environ.get("CVAI_DATA", "../shared/data")) / "xa_dicom"


@pytest.fixture(scope="module")
def original() -> Dataset:
    return small_run()


@pytest.fixture
def run(original: Dataset) -> Dataset:
    return deepcopy(original)


def test_a_run_is_read_with_view_times_heartbeats_and_size(run: Dataset, tmp_path: Path) -> None:
    (images,) = select_runs(study_of(tmp_path, run)).runs
    read = assemble_run(images)
    assert read.name == "RAO 30 / CRA 20"
    assert read.run.frames.shape == (14, 256, 256)
    assert read.run.r_waves == (4, 12)
    assert_allclose(read.run.times_ms, np.arange(14) * 66.7)
    assert read.run.pixel_size is not None
    assert_allclose(read.run.pixel_size.mm, 0.4, rtol=1e-3)
    assert best_frame(read.run, filling_of(read.run)) in (3, 4, 5)


def test_vessels_are_dark_however_values_are_stored(run: Dataset, tmp_path: Path) -> None:
    frames = run.pixel_array
    ways: dict[str, Dataset] = {}
    for name, photometric, sign, values in (
        ("usual", "MONOCHROME2", 1, frames),
        ("more absorption, higher values", "MONOCHROME2", -1, 1023 - frames),
        ("shown inverted", "MONOCHROME1", -1, 1023 - frames),
        ("stored inverted, low is bright", "MONOCHROME1", 1, frames),
    ):
        ways[name] = deepcopy(run)
        ways[name].PhotometricInterpretation = photometric
        ways[name].PixelIntensityRelationshipSign = sign
        set_pixels(ways[name], values)
    greys, beams = {}, {}
    for number, (name, way) in enumerate(ways.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        (images,) = select_runs(study_of(folder, way)).runs
        read = assemble_run(images).run
        greys[name], beams[name] = read.grey(5), read.frames
    for name, grey in greys.items():
        assert_allclose(grey, greys["usual"], atol=2e-3)
        assert_array_equal(beams[name], frames)


def test_eight_bits_and_rle_are_read(run: Dataset, tmp_path: Path) -> None:
    set_pixels(run, run.pixel_array)
    run.BitsAllocated, run.BitsStored, run.HighBit = 8, 8, 7
    set_pixels(run, small_run().pixel_array // 4)
    run.compress(RLELossless)
    (images,) = select_runs(study_of(tmp_path, run)).runs
    assert assemble_run(images).run.frames.dtype == np.uint8


def _enhanced(run: Dataset) -> Dataset:
    """The same run as Enhanced XA, with its attributes in functional groups."""
    ds = deepcopy(run)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedXAImageStorage
    shared, position, geometry, pixel = Dataset(), Dataset(), Dataset(), Dataset()
    position.PositionerPrimaryAngle, position.PositionerSecondaryAngle = -30.0, 20.0
    geometry.EstimatedRadiographicMagnificationFactor = 1.5
    pixel.PixelIntensityRelationship, pixel.PixelIntensityRelationshipSign = "LIN", 1
    pixel.ImagerPixelSpacing = ds.ImagerPixelSpacing
    shared.PositionerPositionSequence = [position]
    shared.XRayGeometrySequence = [geometry]
    shared.FramePixelDataPropertiesSequence = [pixel]
    ds.SharedFunctionalGroupsSequence = [shared]
    for keyword in (
        "PositionerPrimaryAngle",
        "PositionerSecondaryAngle",
        "EstimatedRadiographicMagnificationFactor",
        "PixelIntensityRelationship",
        "PixelIntensityRelationshipSign",
        "ImagerPixelSpacing",
        "FrameTime",
        "FrameIncrementPointer",
    ):
        delattr(ds, keyword)
    ds.PerFrameFunctionalGroupsSequence = []
    for frame in range(int(ds.NumberOfFrames)):
        content, groups = Dataset(), Dataset()
        content.FrameAcquisitionDateTime = f"20240102101500.{50_000 * (frame + 1):06d}"
        groups.FrameContentSequence = [content]
        ds.PerFrameFunctionalGroupsSequence.append(groups)
    return ds


def test_an_enhanced_image_says_the_same(run: Dataset, tmp_path: Path) -> None:
    (images,) = select_runs(study_of(tmp_path, _enhanced(run))).runs
    read = assemble_run(images)
    assert read.name == "RAO 30 / CRA 20"
    assert read.run.pixel_size is not None
    assert_allclose(read.run.pixel_size.mm, 0.4, rtol=1e-3)
    assert_allclose(np.diff(read.run.times_ms), 50.0, atol=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"SOPClassUID": XRayRadiofluoroscopicImageStorage}, "radiofluoroscopy"),
        ({"RadiationSetting": "SC"}, "fluoroscopy store"),
        ({"DerivationDescription": "Subtracted"}, "subtracted"),
        ({"BodyPartExamined": "LEG"}, r"another body part \(LEG\)"),
        ({"BodyPartExamined": "CAROTID ART"}, "another body part"),
        ({"PositionerMotion": "DYNAMIC", "PositionerPrimaryAngleIncrement": [0.0, 90.0]}, "rotational"),
    ],
)
def test_what_is_no_run_is_passed_over(
    run: Dataset, tmp_path: Path, change: dict[str, object], reason: str
) -> None:
    for keyword, value in change.items():
        setattr(run, keyword, value)
    run.file_meta.MediaStorageSOPClassUID = run.SOPClassUID
    with pytest.raises(CineNotFound, match=reason) as refused:
        select_runs(study_of(tmp_path, run))
    assert refused.value.code == "no_run"
    assert refused.value.hint


def _header(**elements: object) -> Dataset:
    ds = Dataset()
    for keyword, value in elements.items():
        setattr(ds, keyword, value)
    return ds


def _region(meaning: str) -> Dataset:
    return _header(CodeValue="1", CodingSchemeDesignator="SCT", CodeMeaning=meaning)


@pytest.mark.parametrize(
    ("elements", "word"),
    [
        ({"AnatomicRegionSequence": [_region("Left renal artery")]}, "RENAL"),
        ({"BodyPartExamined": "HEART", "AnatomicRegionSequence": [_region("Renal artery")]}, None),
        ({"BodyPartExamined": "UPPER_LIMB"}, "UPPER LIMB"),
        ({"BodyPartExamined": "CHEST"}, None),
        ({"BodyPartExamined": "CORONARY"}, None),
        ({"BodyPartExamined": "ARTERY"}, None),
        ({}, None),
    ],
)
def test_a_body_part_counts_only_where_it_leaves_no_heart(
    elements: dict[str, object], word: str | None
) -> None:
    assert stated_elsewhere(_header(SOPClassUID=XRayAngiographicImageStorage, **elements)) == word


def test_a_study_of_4000_frames_is_no_run(run: Dataset, tmp_path: Path) -> None:
    run.Rows = run.Columns = 128
    set_pixels(run, np.zeros((1001, 128, 128)))
    with pytest.raises(CineNotFound, match="1001 frames"):
        select_runs(study_of(tmp_path, run))


def test_a_still_beside_a_run_is_left_out_and_alone_is_measured(run: Dataset, tmp_path: Path) -> None:
    still = small_run(n_frames=1, seed=0)
    still.SOPInstanceUID = still.file_meta.MediaStorageSOPInstanceUID = "2.25.77"
    selection = select_runs(study_of(tmp_path, run, still))
    assert [len(images) for images in selection.runs] == [14]
    assert "a still image beside runs" in {e.reason for e in selection.excluded}
    (tmp_path / "alone").mkdir()
    (images,) = select_runs(study_of(tmp_path / "alone", still)).runs
    assert "single_frame" in {f.code for f in assemble_run(images).findings}


IMAGER = [0.3, 0.3]


@pytest.mark.parametrize(
    ("elements", "mm", "code"),
    [
        ({"ImagerPixelSpacing": IMAGER, "EstimatedRadiographicMagnificationFactor": 1.5}, 0.2, ""),
        (
            {"ImagerPixelSpacing": IMAGER, "DistanceSourceToDetector": 1100, "DistanceSourceToPatient": 750},
            0.2045,
            "",
        ),
        ({"PixelSpacing": [0.21, 0.21], "PixelSpacingCalibrationType": "FIDUCIAL"}, 0.21, ""),
        ({"ImagerPixelSpacing": IMAGER, "PixelSpacing": [0.2, 0.2]}, 0.2, ""),
        ({"ImagerPixelSpacing": IMAGER, "PixelSpacing": IMAGER}, None, "calibration_missing"),
        ({"ImagerPixelSpacing": IMAGER}, None, "calibration_missing"),
        (
            {"ImagerPixelSpacing": IMAGER, "EstimatedRadiographicMagnificationFactor": 1.0},
            None,
            "calibration_missing",
        ),
        (
            {"ImagerPixelSpacing": [30.0, 30.0], "EstimatedRadiographicMagnificationFactor": 1.5},
            None,
            "calibration_implausible",
        ),
        (
            {
                "ImagerPixelSpacing": IMAGER,
                "EstimatedRadiographicMagnificationFactor": 1.2,
                "DistanceSourceToDetector": 1100,
                "DistanceSourceToPatient": 750,
            },
            None,
            "calibration_ambiguous",
        ),
        (
            {
                "ImagerPixelSpacing": IMAGER,
                "EstimatedRadiographicMagnificationFactor": 1.5,
                "DistanceSourceToDetector": 1000,
                "DistanceSourceToPatient": 980,
            },
            None,
            "calibration_ambiguous",
        ),
        ({"ImagerPixelSpacing": IMAGER, "PixelSpacing": [0.35, 0.35]}, None, "calibration_ambiguous"),
        (
            {
                "ImagerPixelSpacing": IMAGER,
                "PixelSpacing": [0.13, 0.13],
                "PixelSpacingCalibrationType": "FIDUCIAL",
                "EstimatedRadiographicMagnificationFactor": 1.5,
            },
            None,
            "calibration_ambiguous",
        ),
        ({}, None, "calibration_missing"),
    ],
)
def test_millimetres_are_given_only_where_calibration_holds(
    elements: dict[str, object], mm: float | None, code: str
) -> None:
    size, (finding,) = pixel_size(_header(**elements))
    if mm is None:
        assert size is None
        assert finding.code == code
    else:
        assert size is not None
        assert_allclose(size.mm, mm, rtol=1e-3)
        assert 0.04 < size.uncertainty < 0.1


@pytest.mark.parametrize(("columns", "is_given"), [(512, True), (724, True), (256, False), (1024, False)])
def test_a_field_of_view_tells_that_an_export_has_resized_the_picture(columns: int, is_given: bool) -> None:
    size, (finding,) = pixel_size(
        _header(
            ImagerPixelSpacing=IMAGER,
            EstimatedRadiographicMagnificationFactor=1.5,
            Columns=columns,
            FieldOfViewDimensions=154,
        )
    )
    assert (size is not None) is is_given
    assert (finding.code == "calibration_ambiguous") is not is_given


def test_pixels_that_are_not_square_are_refused() -> None:
    with pytest.raises(GeometryRefused, match=r"0\.3 x 0\.25"):
        pixel_size(_header(ImagerPixelSpacing=[0.3, 0.25]))


def test_times_by_a_vector_and_none_where_impossible() -> None:
    times_ms, _ = run_times(_header(FrameTimeVector=[0, 30, 40, 50]), 4)
    assert_array_equal(times_ms, [0, 30, 70, 120])
    times_ms, (finding,) = run_times(_header(FrameTime=0.033), 4)
    assert times_ms is None
    assert finding.code == "times_unknown"
    assert r_wave_frames(_header(RWavePointer=[1, 3, 9]), 4, None) == (0, 2)
    assert r_wave_frames(_header(RWaveTimeVector=[35.0, 5000.0]), 3, np.array([0.0, 33, 66])) == (1,)


@pytest.mark.parametrize(
    ("angles", "name"),
    [((0, 0), "AP"), ((-30, -20), "RAO 30 / CAU 20"), ((45, 0), "LAO 45"), ((1, 35), "CRA 35")],
)
def test_views_have_the_names_of_cardiologists(angles: tuple[float, float], name: str) -> None:
    view = stated_view(_header(PositionerPrimaryAngle=angles[0], PositionerSecondaryAngle=angles[1]))
    assert view == AngiographyView(*angles)
    assert view is not None
    assert view.name == name
    assert stated_view(_header(PositionerPrimaryAngle=1)) is None


@pytest.mark.parametrize(
    ("orientation", "primary", "is_turned"),
    [
        (["L", "F"], 0, False),
        (["R", "F"], 0, True),
        (["L", "H"], 0, True),
        (["F", "R"], 0, True),
        (["LP", "F"], 45, False),
        (["P", "F"], 90, False),
        (["A", "F"], 90, True),
        (["A", "F"], -90, False),
        (["L", "F"], -60, False),
        (["R", "F"], -30, True),
        (["L", "F"], 90, False),
        ("", 0, False),
    ],
)
def test_a_picture_that_is_stated_as_mirrored_or_turned_is_flagged(
    orientation: list[str], primary: float, is_turned: bool
) -> None:
    header = _header(
        PatientOrientation=orientation, PositionerPrimaryAngle=primary, PositionerSecondaryAngle=0
    )
    assert (turned_picture(header) is not None) is is_turned


def test_shutters_and_collimator_limit_the_field(run: Dataset, tmp_path: Path) -> None:
    run.ShutterShape = "CIRCULAR"
    run.CenterOfCircularShutter, run.RadiusOfCircularShutter = [128, 128], 80
    frames = run.pixel_array.copy()
    frames[:, :, :70] = 0
    set_pixels(run, frames)
    (images,) = select_runs(study_of(tmp_path, run)).runs
    field = assemble_run(images).run.field
    assert not field[:, :72].any()
    assert not field[:46].any()
    assert 0.2 < field.mean() < 0.3


def test_text_in_the_field_is_said(run: Dataset, tmp_path: Path) -> None:
    frames = run.pixel_array.copy()
    for left in range(60, 120, 12):
        frames[:, 100:112, left : left + 2] = 1023
        frames[:, 100:102, left : left + 8] = 1023
    written, clean = deepcopy(run), run
    set_pixels(written, frames)
    for number, (ds, expected) in enumerate(((written, True), (clean, False))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (images,) = select_runs(study_of(folder, ds)).runs
        assert ("burnt_in_text" in {f.code for f in assemble_run(images).findings}) is expected


@pytest.mark.parametrize(("noise", "is_flagged"), [(0.01, False), (0.02, False), (0.05, True)])
def test_noise_that_changes_stenoses_is_flagged(tmp_path: Path, noise: float, is_flagged: bool) -> None:
    (images,) = select_runs(study_of(tmp_path, small_run(noise=noise))).runs
    assert ("angiogram_noisy" in {f.code for f in assemble_run(images).findings}) is is_flagged


@pytest.mark.parametrize("moved_px", [0, 4])
def test_frames_that_look_subtracted_are_flagged(run: Dataset, tmp_path: Path, moved_px: int) -> None:
    frames = run.pixel_array.astype(int)
    mask = np.roll(frames[0], moved_px, axis=0)
    subtracted = deepcopy(run)
    set_pixels(subtracted, np.clip(frames[1:] - mask + 512, 0, 1023))
    for number, (ds, expected) in enumerate(((subtracted, True), (run, False))):
        folder = tmp_path / str(number)
        folder.mkdir()
        (images,) = select_runs(study_of(folder, ds)).runs
        assert ("looks_subtracted" in {f.code for f in assemble_run(images).findings}) is expected


def test_a_field_that_is_closed_is_refused(run: Dataset, tmp_path: Path) -> None:
    frames = run.pixel_array.copy()
    frames[:, :, 24:] = 0
    set_pixels(run, frames)
    (images,) = select_runs(study_of(tmp_path, run)).runs
    with pytest.raises(HeartRefused) as refused:
        assemble_run(images)
    assert refused.value.code == "field_too_small"


@pytest.mark.parametrize(
    ("changes", "has_vessels", "is_chamber"),
    [({}, True, False), ({"contrast": 0.0}, False, False), ({"ventricle": True, "noise": 0.02}, False, True)],
)
def test_runs_without_filled_vessels_are_told(
    tmp_path: Path, changes: dict[str, object], has_vessels: bool, is_chamber: bool
) -> None:
    (images,) = select_runs(study_of(tmp_path, small_run(**changes))).runs
    filling = filling_of(assemble_run(images).run)
    assert (filling.has_vessels, filling.is_chamber) == (has_vessels, is_chamber)


@pytest.mark.skipif(not REAL.exists(), reason="CVAI_DATA holds no xa_dicom")
def test_the_right_frame_of_a_real_run_is_filled_and_end_diastolic() -> None:
    (study,) = read_studies(REAL).studies
    (images,) = select_runs(study).runs
    read = assemble_run(images)
    assert read.name == "RAO 32"
    assert read.run.r_waves == (19, 52, 76)
    assert read.run.pixel_size is None
    assert "burnt_in_text" not in {f.code for f in read.findings}
    assert 0.7 < read.run.field.mean() < 0.85
    filling = filling_of(read.run)
    assert filling.has_vessels
    assert not filling.is_chamber
    assert best_frame(read.run, filling) in (51, 52, 53, 75, 76, 77)
