"""Headers that contradict the positions and pixel sizes a cine is measured by: it is measured, and said."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import Dataset

from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.read import read_studies
from cvai.domain.findings import Severity
from tests.dicom.read.assembling import SPEC, assemble, codes, refusal_of
from tests.dicom.read.dicom_files import enhanced, images, write

DISTANCE, SIZE, DAYS = "slice_distance_contradicted", "pixel_size_contradicted", "days_differ"


def found(folder: Path, datasets: list[Dataset]) -> list[str]:
    return [code for code in codes(assemble(folder, datasets)) if code in (DISTANCE, SIZE, DAYS)]


def stating(gap_mm: float = 10.0, **attributes: object) -> list[Dataset]:
    return images(SPEC.but(gap_mm=gap_mm, attributes=attributes))


@pytest.mark.parametrize("gap_mm", [5.0, 1.0, 20.0, 15.0])
def test_positions_that_the_stated_distance_contradicts_are_reported(tmp_path: Path, gap_mm: float) -> None:
    assert found(tmp_path, stating(gap_mm, SpacingBetweenSlices="10", SliceThickness="8")) == [DISTANCE]


@pytest.mark.parametrize(
    ("gap_mm", "between_mm", "thick_mm"),
    [
        (10.0, "10", "8"),
        (10.0, "8", "8"),  # the thickness, as some write it
        (12.0, "8", "8"),
        (10.0, "2", "8"),  # the gap without the slice
        (10.0, "", "8"),
        (4.0, "", "8"),  # a slab interpolated to half its thickness
        (10.0, "0", "0"),
    ],
)
def test_ways_of_stating_a_distance_are_no_contradiction(
    tmp_path: Path, gap_mm: float, between_mm: str, thick_mm: str
) -> None:
    assert found(tmp_path, stating(gap_mm, SpacingBetweenSlices=between_mm, SliceThickness=thick_mm)) == []


def test_without_a_stated_distance_the_thickness_contradicts_positions_in_centimetres(tmp_path: Path) -> None:
    assert found(tmp_path, stating(1.0, SpacingBetweenSlices="", SliceThickness="8")) == [DISTANCE]


def test_every_second_slice_of_a_series_is_missed(tmp_path: Path) -> None:
    whole = images(SPEC.but(gap_mm=5.0, attributes={"SpacingBetweenSlices": "5"}))
    kept = [ds for ds in whole if int(ds.SOPInstanceUID.split(".")[-2]) % 2]
    assert found(tmp_path, kept) == [DISTANCE]


def test_two_interleaved_series_each_state_their_own_distance(tmp_path: Path) -> None:
    attributes = {"SpacingBetweenSlices": "10", "SliceThickness": "5"}
    whole = images(SPEC.but(gap_mm=5.0, attributes=attributes))
    for ds in whole:
        if int(ds.SOPInstanceUID.split(".")[-2]) % 2:
            ds.SeriesInstanceUID = f"{SPEC.series_uid}9"
    cine = assemble(tmp_path, whole)
    assert cine.stack.geometry.n_slices == SPEC.n_slices
    assert DISTANCE not in codes(cine)


def test_an_enhanced_instance_states_distances_in_its_functional_groups(tmp_path: Path) -> None:
    whole = enhanced(SPEC)
    whole.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].SpacingBetweenSlices = 25.0
    assert found(tmp_path, [whole]) == [DISTANCE]


@pytest.mark.parametrize("times", [0.5, 2.0])
def test_a_field_of_view_of_another_size_means_resized_images(tmp_path: Path, times: float) -> None:
    spec = SPEC.but(rows=40, columns=40, spacing_mm=(8.0, 8.0))
    spec = spec.but(attributes={"ReconstructionDiameter": f"{times * 320:g}"})
    assert found(tmp_path, images(spec)) == [SIZE]


def test_the_diameter_may_be_that_of_the_longer_side_or_no_length_at_all(tmp_path: Path) -> None:
    spec = SPEC.but(rows=30, columns=40, spacing_mm=(8.0, 8.0))
    for diameter_mm in (320, 240, 0, 32):
        attributes = {"ReconstructionDiameter": str(diameter_mm)}
        assert found(tmp_path / str(diameter_mm), images(spec.but(attributes=attributes))) == []


def test_proportions_of_a_pixel_that_contradict_its_size_are_reported(tmp_path: Path) -> None:
    assert found(tmp_path / "wrong", stating(PixelAspectRatio=[1, 1])) == [SIZE]
    assert found(tmp_path / "right", stating(PixelAspectRatio=[5, 7])) == []  # 1.25 by 1.75 mm


@pytest.mark.parametrize(("spacing_mm", "expected"), [(1.95, []), (2.15, [SIZE])])
def test_a_field_of_view_larger_than_that_of_scanners_is_reported(
    tmp_path: Path, spacing_mm: float, expected: list[str]
) -> None:
    wide = images(SPEC.but(rows=256, columns=20))
    for ds in wide:
        ds.PixelSpacing = [f"{spacing_mm:.4f}"] * 2
    assert found(tmp_path, wide) == expected


@pytest.mark.parametrize("keyword", ["StudyDate", "SeriesDate", "AcquisitionDate"])
def test_slices_of_two_visits_are_reported_where_only_a_date_says_so(tmp_path: Path, keyword: str) -> None:
    datasets = images(SPEC)
    for i, ds in enumerate(datasets):
        del ds.AcquisitionTime
        setattr(ds, keyword, "20240102" if i < len(datasets) / 2 else "20240620")
    cine = assemble(tmp_path, datasets)
    (finding,) = (f for f in cine.findings if f.code == DAYS)
    assert finding.severity is Severity.WARNING
    assert "170 days" in finding.message


@pytest.mark.parametrize("keyword", ["AcquisitionDate", "AcquisitionDateTime"])
@pytest.mark.parametrize(
    ("acquired", "expected"), [("20240103", []), ("20240104", [DAYS]), ("20210102", [DAYS])]
)
def test_images_of_another_day_than_their_study_are_reported(
    tmp_path: Path, keyword: str, acquired: str, expected: list[str]
) -> None:
    written = acquired if keyword == "AcquisitionDate" else f"{acquired}081500.25+0100"
    assert found(tmp_path, stating(StudyDate="20240102", **{keyword: written})) == expected


def test_a_night_between_two_series_is_one_visit(tmp_path: Path) -> None:
    datasets = images(SPEC)
    for i, ds in enumerate(datasets):
        ds.SeriesDate = "20240102" if i < len(datasets) / 2 else "20240103"
    assert found(tmp_path, datasets) == []


@pytest.mark.parametrize("factor", [0.001, 0.0])
def test_trigger_times_that_stand_still_are_named_in_the_refusal(tmp_path: Path, factor: float) -> None:
    datasets = images(SPEC)
    for ds in datasets:
        ds.TriggerTime = f"{10 + factor * float(ds.TriggerTime):.4f}"
    write(tmp_path, datasets)
    (study,) = read_studies(tmp_path).studies
    refusal = refusal_of(lambda: select_sax_cine(study))
    assert refusal.code == "no_cine"
    assert "trigger times of 10" in refusal.message
    assert "another unit" in refusal.message


BESIDE = "adjacent_slices_left_out"


@pytest.mark.parametrize(
    "called",
    [
        {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]},
        {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
        {"Modality": "OT"},
    ],
)
def test_slices_of_the_own_series_that_are_called_something_else_are_missed(
    tmp_path: Path, called: dict[str, object]
) -> None:
    datasets = images(SPEC)
    for ds in datasets[: 2 * SPEC.n_phases]:
        for keyword, value in called.items():
            setattr(ds, keyword, value)
    cine = assemble(tmp_path, datasets)
    assert cine.stack.geometry.n_slices == SPEC.n_slices - 2
    (finding,) = (f for f in cine.findings if f.code == BESIDE)
    assert finding.message.startswith("2 cine slice(s)")


def test_slices_of_which_one_image_arrived_are_missed(tmp_path: Path) -> None:
    datasets = images(SPEC)
    kept = [*datasets[:1], *datasets[SPEC.n_phases : SPEC.n_phases + 1], *datasets[2 * SPEC.n_phases :]]
    assert BESIDE in codes(assemble(tmp_path, kept))


@pytest.mark.parametrize("factor", [0.001, 1000.0], ids=["seconds", "microseconds"])
def test_slices_with_times_in_another_unit_are_missed(tmp_path: Path, factor: float) -> None:
    datasets = images(SPEC)
    for ds in datasets[: 2 * SPEC.n_phases]:
        ds.SeriesInstanceUID += ".2"
        ds.TriggerTime = f"{factor * float(ds.TriggerTime):.5f}"
    cine = assemble(tmp_path, datasets)
    assert cine.stack.geometry.n_slices == SPEC.n_slices - 2
    assert BESIDE in codes(cine)


def test_phase_images_of_every_slice_are_no_slices(tmp_path: Path) -> None:
    magnitude = images(SPEC)
    phase = images(SPEC.but(attributes={"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}))
    for ds in phase:
        ds.SOPInstanceUID += ".2"
    assert BESIDE not in codes(assemble(tmp_path, [*magnitude, *phase]))


def test_shared_and_own_pixel_sizes_of_a_frame_that_differ_are_reported(tmp_path: Path) -> None:
    whole = enhanced(SPEC)
    other = Dataset()
    other.PixelSpacing = [2.5, 3.5]
    for frame in whole.PerFrameFunctionalGroupsSequence:
        frame.PixelMeasuresSequence = [other]
    assert found(tmp_path, [whole]) == [SIZE]
