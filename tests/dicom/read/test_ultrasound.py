from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.encaps import encapsulate
from pydicom.pixels import convert_color_space
from pydicom.uid import (
    JPEGBaseline8Bit,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from cvai.analyses import echo_apical
from cvai.analyses.registry import ANALYSES
from cvai.dicom.read.classes import ULTRASOUND_IMAGES
from cvai.dicom.read.read import read_studies
from cvai.dicom.read.ultrasound.loops import AssembledLoop, assemble_loop, select_loops
from cvai.dicom.read.values import CineNotFound, Study
from cvai.errors import Refused
from tests.apical_loops import apical_loop, calibrated
from tests.dicom.read.dicom_files import SeriesSpec, images, write
from tests.dicom.read.ultrasound_files import STUDY, beating_frames, region, sector_mask, write_loop, written


def study_of(folder: Path) -> Study:
    (study,) = read_studies(folder).studies
    return study


def assembled(folder: Path, frames: np.ndarray, **changes: Any) -> AssembledLoop:
    write_loop(folder / "loop.dcm", frames, **changes)
    return assemble_loop(select_loops(study_of(folder)).loops[0])


def refusal(folder: Path, frames: np.ndarray, **changes: Any) -> str:
    with pytest.raises(Refused) as refused:
        assembled(folder, frames, **changes)
    return refused.value.code


def test_a_loop_comes_with_its_sector_size_and_times(tmp_path: Path) -> None:
    frames = beating_frames()
    source = assembled(tmp_path, frames)
    assert source.loop.spacing_mm == pytest.approx((0.9, 0.8))  # rows, columns
    np.testing.assert_allclose(source.loop.times_ms, np.arange(24) * 40.0)
    assert source.loop.heart_rate_bpm == 62
    overlap = np.count_nonzero(source.loop.sector & sector_mask()) / np.count_nonzero(sector_mask())
    assert overlap > 0.95
    assert source.findings == ()


def test_nothing_written_on_the_frames_is_left(tmp_path: Path) -> None:
    clean = beating_frames()
    source = assembled(tmp_path, written(clean))
    assert source.loop.frames[:, 4:12, 4:40].max() == 0
    text = written(clean)[0] != clean[0]
    assert source.loop.frames[:, text].max() == 0
    assert source.loop.frames[:, 50, 80].max() > 0


@pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL"])
def test_colour_is_turned_into_the_same_grey(tmp_path: Path, interpretation: str) -> None:
    grey = beating_frames()
    third = grey if interpretation == "RGB" else np.full_like(grey, 128)
    colour = np.stack([grey, third, third], axis=-1)
    a = assembled(tmp_path / "grey", grey)
    b = assembled(tmp_path / "colour", colour, PhotometricInterpretation=interpretation)
    np.testing.assert_array_equal(a.loop.frames, b.loop.frames)


def test_a_vector_of_frame_times_counts_from_the_first_frame(tmp_path: Path) -> None:
    steps = [33.0, *([33.0, 50.0] * 12)][:24]
    source = assembled(tmp_path, beating_frames(), FrameTimeVector=steps, FrameTime=None)
    assert source.loop.times_ms is not None
    np.testing.assert_allclose(source.loop.times_ms[:4], [0.0, 33.0, 83.0, 116.0])


@pytest.mark.parametrize(
    ("regions", "code"),
    [
        pytest.param([], "calibration_missing", id="no region"),
        pytest.param([region(PhysicalUnitsXDirection=0)], "calibration_missing", id="no unit"),
        pytest.param([region(PhysicalDeltaY=None)], "calibration_missing", id="no delta"),
        pytest.param([region(RegionSpatialFormat=0)], "calibration_missing", id="not of tissue"),
        pytest.param(
            [region(PhysicalDeltaX=-0.09)], "calibration_negative", id="a negative delta of a square pixel"
        ),
        pytest.param(
            [region(PhysicalDeltaX=0.09, RegionLocationMaxX1=320)],
            "calibration_outside_frame",
            id="box outside the frame",
        ),
        pytest.param(
            [region(PhysicalDeltaX=9.0, PhysicalDeltaY=9.0)], "calibration_implausible", id="9 cm a pixel"
        ),
        pytest.param(
            [region(PhysicalDeltaX=0.01, PhysicalDeltaY=0.01)],
            "calibration_implausible",
            id="a sector of one centimetre",
        ),
        pytest.param(
            [region(), region(PhysicalDeltaX=0.2, PhysicalDeltaY=0.2)],
            "calibration_ambiguous",
            id="two sizes for one sector",
        ),
    ],
)
def test_a_calibration_that_does_not_hold_withholds_the_size(
    tmp_path: Path, regions: list[Any], code: str
) -> None:
    source = assembled(tmp_path, beating_frames(), SequenceOfUltrasoundRegions=regions)
    assert source.loop.spacing_mm is None
    assert [finding.code for finding in source.findings] == [code]


def enlarged(frames: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """(t, y, x) every pixel so many times."""
    return frames.repeat(rows, axis=1).repeat(columns, axis=2)


@pytest.mark.parametrize(
    ("frames", "changes", "code"),
    [
        pytest.param(
            enlarged(beating_frames(), 2, 2),
            {"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=0.09)]},
            "calibration_outside_frame",
            id="enlarged",
        ),
        pytest.param(
            enlarged(beating_frames(), 1, 2),
            {"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=0.09, RegionLocationMaxX1=319)]},
            "calibration_contradicted",
            id="twice as wide, as the sector shows",
        ),
        pytest.param(
            beating_frames(),
            {"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=0.2)]},
            "calibration_contradicted",
            id="pixels twice as wide as high, where the sector is one of square pixels",
        ),
        pytest.param(
            beating_frames(),
            {"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=0.108)]},
            "calibration_contradicted",
            id="pixels a fifth wider than high, as in 4:3 of 16:10",
        ),
        pytest.param(beating_frames(), {"DepthOfScanField": 70}, "calibration_contradicted", id="too deep"),
        pytest.param(beating_frames(), {"DepthOfScanField": 240}, "calibration_contradicted", id="too flat"),
        pytest.param(
            beating_frames(),
            {"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=0.09)], "PixelSpacing": [0.5, 0.5]},
            "calibration_ambiguous",
            id="another size in PixelSpacing",
        ),
    ],
)
def test_frames_that_were_resized_have_no_size(
    tmp_path: Path, frames: np.ndarray, changes: dict[str, Any], code: str
) -> None:
    source = assembled(tmp_path, frames, **changes)
    assert source.loop.spacing_mm is None
    assert [finding.code for finding in source.findings] == [code]


@pytest.mark.parametrize("changes", [{"DepthOfScanField": 120}, {"PixelSpacing": [0.9, 0.8]}])
def test_other_statements_that_agree_with_the_region_do_not_matter(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    source = assembled(tmp_path, beating_frames(), **changes)
    assert source.loop.spacing_mm == pytest.approx((0.9, 0.8))
    assert source.findings == ()


def test_a_box_that_ends_with_the_frame_instead_of_its_last_pixel_is_believed(tmp_path: Path) -> None:
    to_the_end = region(RegionLocationMaxX1=160, RegionLocationMaxY1=120)
    source = assembled(tmp_path, beating_frames(), SequenceOfUltrasoundRegions=[to_the_end])
    assert source.loop.spacing_mm == pytest.approx((0.9, 0.8))


def test_of_four_pictures_of_one_size_the_region_of_the_largest_sector_counts(tmp_path: Path) -> None:
    alone = beating_frames()
    frames = np.zeros((len(alone), 240, 320), np.uint8)
    frames[:, 120:, 160:] = alone
    box = {"MinX0": 160, "MaxX1": 319, "MinY0": 120, "MaxY1": 239}
    there = region(**{f"RegionLocation{corner}": at for corner, at in box.items()})
    source = assembled(tmp_path, frames, SequenceOfUltrasoundRegions=[region(), there])
    assert source.loop.spacing_mm == pytest.approx((0.9, 0.8))


def test_a_second_region_elsewhere_does_not_matter(tmp_path: Path) -> None:
    beside = region(PhysicalDeltaX=0.3, PhysicalDeltaY=0.3, RegionLocationMaxX1=20, RegionLocationMaxY1=20)
    source = assembled(tmp_path, beating_frames(), SequenceOfUltrasoundRegions=[region(), beside])
    assert source.loop.spacing_mm == pytest.approx((0.9, 0.8))


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"FrameTime": 0.04}, "frame_times_implausible", id="a frame time in seconds"),
        pytest.param(
            {"SequenceOfUltrasoundRegions": [region(PhysicalDeltaX=-0.08)]},
            "pixels_not_square",
            id="a negative delta of a pixel that is not square",
        ),
    ],
)
def test_a_loop_that_cannot_be_measured_is_refused(
    tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    assert refusal(tmp_path, beating_frames(), **changes) == code


def test_a_loop_without_times_is_assembled_without_them(tmp_path: Path) -> None:
    source = assembled(tmp_path, beating_frames(), FrameTime=None)
    assert source.loop.times_ms is None
    assert [finding.code for finding in source.findings] == ["times_unknown"]


def test_frames_that_stand_still_hold_no_sector(tmp_path: Path) -> None:
    assert refusal(tmp_path, np.repeat(beating_frames(2)[:1], 12, axis=0)) == "sector_not_found"


def test_a_colour_doppler_loop_is_refused(tmp_path: Path) -> None:
    frames = np.stack([beating_frames()] * 3, axis=-1)
    frames[:, 60:90, 70:90] = (200, 40, 20)
    frames[::2, 60:90, 70:90] = (20, 40, 200)
    assert refusal(tmp_path, frames) == "colour_doppler"


@pytest.mark.parametrize("value", [0, 255])
def test_a_loop_with_a_frame_that_shows_nothing_is_refused(tmp_path: Path, value: int) -> None:
    frames = beating_frames()
    frames[0] = value
    assert refusal(tmp_path, frames) == "blank_image"


def test_a_shuffled_loop_is_refused(tmp_path: Path) -> None:
    frames = apical_loop("4CH")
    order = np.random.default_rng(0).permutation(len(frames))
    assert (
        refusal(tmp_path, frames[order], SequenceOfUltrasoundRegions=[calibrated(frames)])
        == "frames_out_of_order"
    )


@pytest.mark.parametrize("map_", [(1.0, 0.85, 0.6), (0.7, 0.85, 1.0), (1.0, 0.7, 0.3)])
@pytest.mark.parametrize("interpretation", ["RGB", "YBR_FULL"])
def test_grey_shown_in_brown_or_blue_is_no_doppler(
    tmp_path: Path, map_: tuple[float, float, float], interpretation: str
) -> None:
    tinted = (beating_frames()[..., None] * np.array(map_)).astype(np.uint8)
    if interpretation == "YBR_FULL":
        tinted = convert_color_space(tinted, "RGB", "YBR_FULL", per_frame=True)
    source = assembled(tmp_path, tinted, PhotometricInterpretation=interpretation)
    assert source.findings == ()


def test_doppler_over_brown_tissue_is_refused(tmp_path: Path) -> None:
    frames = (beating_frames()[..., None] * np.array((1.0, 0.85, 0.6))).astype(np.uint8)
    frames[:, 60:90, 70:90] = (200, 40, 20)
    frames[::2, 60:90, 70:90] = (20, 40, 200)
    assert refusal(tmp_path, frames) == "colour_doppler"


def test_tissue_that_is_all_red_is_refused(tmp_path: Path) -> None:
    frames = (beating_frames()[..., None] * np.array((1.0, 0.1, 0.0))).astype(np.uint8)
    assert refusal(tmp_path, frames) == "colour_doppler"


def test_a_small_file_that_declares_a_giant_loop_is_refused_unread(tmp_path: Path) -> None:
    write_loop(tmp_path / "loop.dcm", beating_frames(), Rows=4000, Columns=4000, NumberOfFrames=1000)
    with pytest.raises(Refused) as refused:
        select_loops(study_of(tmp_path))
    assert refused.value.code == "truncated_file"


def test_a_compressed_loop_that_would_fill_the_memory_is_refused_undecoded(tmp_path: Path) -> None:
    path = write_loop(tmp_path / "loop.dcm", beating_frames())
    header = dcmread(path)
    header.Rows = header.Columns = 4000
    header.NumberOfFrames = 1000
    header.PixelData = encapsulate([b"\xff\xd8\xff\xd9"] * 1000)
    header["PixelData"].is_undefined_length = True
    header.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    header.save_as(path)
    with pytest.raises(Refused) as refused:
        assemble_loop(select_loops(study_of(tmp_path)).loops[0])
    assert refused.value.code == "loop_too_large"


@pytest.mark.parametrize(
    ("n_frames", "changes", "reason"),
    [
        pytest.param(1, {"SOPClassUID": UltrasoundImageStorage, "NumberOfFrames": None}, "still", id="still"),
        pytest.param(3, {}, "3 frames", id="three frames"),
        pytest.param(
            24, {"SequenceOfUltrasoundRegions": [region(RegionSpatialFormat=2)]}, "M-mode", id="M-mode"
        ),
        pytest.param(
            24,
            {"SequenceOfUltrasoundRegions": [region(), region(RegionDataType=2)]},
            "colour Doppler",
            id="a region of colour flow",
        ),
        pytest.param(24, {"ImageType": ["ORIGINAL", "PRIMARY", "", "0002"]}, "M-mode", id="M-mode by type"),
        pytest.param(24, {"ImageType": ["ORIGINAL", "PRIMARY", "", "0011"]}, "colour", id="colour by type"),
        pytest.param(24, {"ImageType": ["DERIVED", "PRIMARY", "", "0041"]}, "volume", id="a rendering"),
        pytest.param(
            24, {"ImageType": ["ORIGINAL", "PRIMARY", "INTRAVASCULAR", "0001"]}, "intravascular", id="vessels"
        ),
        pytest.param(
            24,
            {"SOPClassUID": MultiFrameTrueColorSecondaryCaptureImageStorage},
            "SOP class",
            id="a screenshot",
        ),
    ],
)
def test_what_is_no_grey_loop_is_passed_over_with_a_reason(
    tmp_path: Path, n_frames: int, changes: dict[str, Any], reason: str
) -> None:
    write_loop(tmp_path / "loop.dcm", beating_frames(24)[:n_frames], **changes)
    with pytest.raises(CineNotFound) as refused:
        select_loops(study_of(tmp_path))
    assert refused.value.code == "no_loop"
    assert reason in refused.value.excluded[0].reason


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"TransducerType": "ENDOCAV_PA"}, "transesophageal"),
        ({"TransducerType": "IV_PHASED"}, "intravascular"),
        ({"SeriesDescription": "TEE ME 4CH"}, "transesophageal"),
        ({"ProtocolName": "ICE"}, "intracardiac"),
        ({"SeriesDescription": "Fetal echo"}, "fetal"),
        ({"ContrastBolusAgent": "SonoVue"}, "contrast"),
        ({"ProtocolName": "LVO"}, "contrast"),
    ],
)
def test_loops_of_other_probes_and_of_contrast_are_passed_over(
    tmp_path: Path, changes: dict[str, str], reason: str
) -> None:
    write_loop(tmp_path / "1.dcm", beating_frames(), 1)
    write_loop(tmp_path / "2.dcm", beating_frames(), 2, **changes)
    selection = select_loops(study_of(tmp_path))
    assert [images[0].instance_number for images in selection.loops] == [1]
    assert reason in selection.excluded[0].reason


@pytest.mark.parametrize(
    "changes",
    [
        {"TransducerType": "SECTOR_PHASED"},
        {"SeriesDescription": "Voice over, TTE, offices"},
        {"ContrastBolusAgent": "NONE"},
        {"StudyDescription": "TTE and TEE"},
    ],
)
def test_loops_through_the_chest_without_contrast_are_candidates(
    tmp_path: Path, changes: dict[str, str]
) -> None:
    write_loop(tmp_path / "1.dcm", beating_frames(), 1, **changes)
    assert len(select_loops(study_of(tmp_path)).loops) == 1


def test_every_loop_of_a_study_is_a_candidate(tmp_path: Path) -> None:
    for number in (1, 2):
        write_loop(tmp_path / f"{number}.dcm", beating_frames(seed=number), number)
    study = study_of(tmp_path)
    assert echo_apical.SPEC.applies_to(study)
    assert [len(images) for images in select_loops(study).loops] == [24, 24]


@pytest.mark.parametrize("sop_class", sorted(ULTRASOUND_IMAGES))
def test_loops_of_every_class_of_ultrasound_images_are_found(tmp_path: Path, sop_class: str) -> None:
    write_loop(tmp_path / "1.dcm", beating_frames(), SOPClassUID=sop_class)
    assert [len(images) for images in select_loops(study_of(tmp_path)).loops] == [24]


def written_cine(folder: Path) -> None:
    """A short-axis cine of MR in the study of the loops."""
    cine = images(SeriesSpec())
    for image in cine:
        image.StudyInstanceUID = STUDY
        image.PatientName, image.PatientID = "Doe^Jane", "77"
    write(folder, cine)


def test_a_study_with_other_objects_beside_its_loops_is_one_of_ultrasound(tmp_path: Path) -> None:
    write_loop(tmp_path / "1.dcm", beating_frames())
    still = {"SOPClassUID": SecondaryCaptureImageStorage, "NumberOfFrames": None, "InstanceNumber": 1}
    write_loop(tmp_path / "0.dcm", beating_frames(2)[:1], 2, Modality="OT", **still)
    study = study_of(tmp_path)
    assert echo_apical.SPEC.applies_to(study)
    selection = select_loops(study)
    assert len(selection.loops) == 1
    assert [p.reason for p in selection.excluded] == ["not an ultrasound image (modality OT)"]


def test_a_study_of_both_is_measured_by_both(tmp_path: Path) -> None:
    write_loop(tmp_path / "loop" / "1.dcm", beating_frames())
    written_cine(tmp_path / "cine")
    study = study_of(tmp_path)
    assert [spec.kind for spec in ANALYSES if spec.applies_to(study)] == ["cine_sax", "echo_apical"]


def test_a_study_of_loops_and_of_mr_without_a_cine_is_one_of_ultrasound(tmp_path: Path) -> None:
    write_loop(tmp_path / "loop" / "1.dcm", beating_frames())
    written_cine(tmp_path / "cine")
    for path in sorted((tmp_path / "cine").iterdir())[3:]:
        path.unlink()
    study = study_of(tmp_path)
    assert echo_apical.SPEC.applies_to(study)
    assert len(select_loops(study).loops) == 1


def test_intravascular_ultrasound_is_not_one_of_the_heart(tmp_path: Path) -> None:
    write_loop(tmp_path / "1.dcm", beating_frames(), Modality="IVUS")
    assert not echo_apical.SPEC.applies_to(study_of(tmp_path))


@pytest.mark.slow
def test_real_loops_come_without_writing_and_with_the_calibration_they_deserve(real_data: Path) -> None:
    found = {}
    for study in read_studies(real_data / "echo_dicom").studies:
        source = assemble_loop(select_loops(study).loops[0])
        found[source.loop.n_frames] = source
    assert [f.code for f in found[65].findings] == ["calibration_negative"]
    assert [f.code for f in found[30].findings] == ["calibration_outside_frame"]
    acuson = found[65].loop
    assert acuson.frames[:, :40].max() == 0, "patient, institution and date"
    assert acuson.frames[:, 210:, :20].max() == 0
    assert acuson.frames[:, 60:200, 480:].max() == 0, "machine settings"
    assert acuson.heart_rate_bpm == 61
