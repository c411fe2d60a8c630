"""A stack is one acquisition: what was acquired under another condition, or later, is never mixed in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset

from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import CineSelection, select_sax_cine
from cvai.dicom.read.values import AssembledCine, CineNotFound
from cvai.domain.findings import Severity
from cvai.domain.series_choice import SeriesChoice
from tests.dicom.read.assembling import where
from tests.dicom.read.dicom_files import SeriesSpec, edited, image, images, orthonormal, position_mm
from tests.dicom.read.in_memory import selected, study_of

ROOT = "1.2.826.0.1.3680043.10.999"
REST = SeriesSpec(series_uid=f"{ROOT}.11", series_number=11, step_ms=90.0)
STRESS = REST.but(
    series_uid=f"{ROOT}.31", series_number=31, step_ms=45.0, attributes={"AcquisitionTime": "093000"}
)


def select(folder: Path, *groups: Sequence[Dataset]) -> CineSelection:
    """Of these, assembled from the folder afterwards."""
    return selected(folder, [ds for group in groups for ds in group])


def uids(selection: CineSelection) -> set[str]:
    return {plane.sop_instance_uid for plane in selection.planes}


def uids_of(datasets: Sequence[Dataset]) -> set[str]:
    return {ds.SOPInstanceUID for ds in datasets}


def found(selection: CineSelection | AssembledCine) -> dict[str, Severity]:
    return {f.code: f.severity for f in selection.findings}


def slices_as_series(spec: SeriesSpec, places: Sequence[int], first_series: int) -> list[Dataset]:
    return [
        image(spec.but(series_uid=f"{ROOT}.{first_series + z}", series_number=first_series + z), z, t)
        for z in places
        for t in range(spec.n_phases)
    ]


def test_of_a_stack_at_rest_and_one_under_stress_the_one_at_rest_is_measured(tmp_path: Path) -> None:
    rest, stress = images(REST), images(STRESS)
    selection = select(tmp_path, stress, rest)
    assert uids(selection) == uids_of(rest)
    assert found(selection) == {"other_cine_stack": Severity.WARNING}
    assert "148/min, 64 minutes later" in selection.findings[0].message
    assert "higher heart rate" in selection.excluded[0].reason
    assert selection.alternatives == ()


def test_a_stack_that_is_called_stress_comes_second_whatever_its_heart_rate(tmp_path: Path) -> None:
    rest = images(REST)
    stress = images(REST.but(series_uid=f"{ROOT}.31", series_number=31,
                             attributes={"SeriesDescription": "SAX_adenosine"}))  # fmt: skip
    selection = select(tmp_path, stress, rest)
    assert uids(selection) == uids_of(rest)
    assert "called stress" in selection.findings[0].message


def chosen(series_uid: str) -> SeriesChoice:
    return SeriesChoice(series_uid, "Hart^Ada", datetime(2026, 3, 1, 9, 30, tzinfo=UTC))


def test_the_series_that_a_person_chose_is_measured_and_says_who_chose_it() -> None:
    rest, stress = images(REST), images(STRESS)
    study = replace(study_of([*rest, *stress]), chosen=chosen(STRESS.series_uid))
    selection = select_sax_cine(study)
    assert uids(selection) == uids_of(stress)
    assert selection.alternatives == ()
    assert selection.findings[0].code == "series_chosen_by_reader"
    assert "chosen by Hart Ada on 2026-03-01 09:30 UTC" in selection.findings[0].message
    assert REST.series_uid in {left.series_uid for left in selection.excluded}


def test_a_chosen_series_that_is_no_stack_is_refused_with_the_reason() -> None:
    one_slice = [image(STRESS, 0, t) for t in range(STRESS.n_phases)]
    study = study_of([*images(REST), *one_slice])
    with pytest.raises(CineNotFound, match="no stack of cine slices: 1 slice") as refused:
        select_sax_cine(replace(study, chosen=chosen(STRESS.series_uid)))
    assert refused.value.code == "chosen_series_no_stack"
    with pytest.raises(CineNotFound, match="no series of images of this study"):
        select_sax_cine(replace(study, chosen=chosen("1.2.3")))


@pytest.mark.parametrize("in_one_series", [False, True])
@pytest.mark.parametrize(
    "told_by", [{}, {"HeartRate": None, "NominalInterval": None}, {"AcquisitionTime": "082630"}]
)
def test_slices_under_stress_are_not_mixed_into_a_stack_at_rest(
    tmp_path: Path, in_one_series: bool, told_by: dict[str, object]
) -> None:
    rest = images(REST) if in_one_series else slices_as_series(REST, range(7), 100)
    spec = STRESS.but(attributes={**STRESS.attributes, **told_by})
    stress = slices_as_series(spec, (1, 3, 5), 200)
    if in_one_series:
        edited(stress, lambda ds: setattr(ds, "SeriesInstanceUID", REST.series_uid))
        edited(stress, lambda ds: setattr(ds, "SeriesNumber", REST.series_number))
    selection = select(tmp_path, stress, rest)
    assert uids(selection) == uids_of(rest)
    assert found(selection)["other_acquisition_left_out"] is Severity.WARNING


def test_slices_acquired_an_hour_later_at_the_same_rate_are_not_mixed_in(tmp_path: Path) -> None:
    rest = images(REST)
    later = slices_as_series(REST.but(attributes={"AcquisitionTime": "093000"}), (2, 4), 200)
    selection = select(tmp_path, later, rest)
    assert uids(selection) == uids_of(rest)
    assert list(found(selection)) == ["other_acquisition_left_out"]


def test_a_gap_is_filled_by_what_was_acquired_later_and_the_pause_is_told(tmp_path: Path) -> None:
    rest = slices_as_series(REST, (0, 1, 2, 4, 5, 6), 100)
    later = slices_as_series(REST.but(attributes={"AcquisitionTime": "093000"}), (3,), 200)
    selection = select(tmp_path, later, rest)
    assert uids(selection) == uids_of([*rest, *later])
    cine = assemble_cine(selection)
    assert found(cine)["slices_acquired_apart"] is Severity.WARNING
    assert where(cine, "slices_acquired_apart")[1] == (None, 3), "the last one acquired"


def test_a_single_breath_hold_at_another_rate_stays_in_its_stack_and_is_told(tmp_path: Path) -> None:
    rest = slices_as_series(REST, (0, 1, 2, 4, 5, 6), 100)
    fast = slices_as_series(REST.but(step_ms=65.0), (3,), 200)
    cine = assemble_cine(select(tmp_path, rest, fast))
    assert cine.stack.geometry.n_slices == 7
    assert found(cine) == {"heart_rate_varies": Severity.WARNING}
    assert where(cine, "heart_rate_varies") == [(None, 0), (None, 3)]


@pytest.mark.slow
@pytest.mark.parametrize("shift_mm", [0.0, 0.4, 0.8, 2.0, 5.0])
@pytest.mark.parametrize("layout", ["series", "one series", "series per slice"])
def test_of_a_stack_that_was_acquired_again_one_is_measured_whole(
    tmp_path: Path, shift_mm: float, layout: str
) -> None:
    row, column = orthonormal(REST.axes)
    origin_mm = tuple(np.array(REST.origin_mm) + shift_mm * np.cross(row, column))
    spec = REST.but(series_uid=f"{ROOT}.12", series_number=12, origin_mm=origin_mm, first_instance=500)
    first, again = images(REST), images(spec)
    if layout == "series per slice":
        first, again = slices_as_series(REST, range(7), 100), slices_as_series(spec, range(7), 200)
    edited(again, lambda ds: setattr(ds, "AcquisitionTime", f"0836{ds.AcquisitionTime[4:]}"))
    if layout == "one series":
        edited(again, lambda ds: setattr(ds, "SeriesInstanceUID", REST.series_uid))
    cine = assemble_cine(select(tmp_path, first, again))
    measured = {plane.sop_instance_uid for phase in cine.planes for plane in phase}
    assert measured in (uids_of(first), uids_of(again), uids_of([*first, *again]))
    assert cine.stack.geometry.slice_spacing_mm in (pytest.approx(10.0), pytest.approx(5.0))


def tilted(z: int, degrees: float, **changes: object) -> list[Dataset]:
    """Slice z planned anew, turned around the row direction; the middle of its images stays."""
    row, column = orthonormal(REST.axes)
    angle = np.deg2rad(degrees)
    turned = column * np.cos(angle) + np.cross(row, column) * np.sin(angle)
    half_mm = REST.spacing_mm[0] * (REST.rows - 1) / 2
    origin_mm = position_mm(REST, z) + (column - turned) * half_mm
    spec = REST.but(axes=(tuple(row), tuple(turned)), n_slices=1, origin_mm=tuple(origin_mm), **changes)
    slices = images(spec)
    edited(slices, lambda ds: setattr(ds, "SOPInstanceUID", f"{ds.SOPInstanceUID}.{z}"))
    return edited(slices, lambda ds: setattr(ds, "InstanceNumber", ds.InstanceNumber + 9 * z))


@pytest.mark.parametrize(("degrees", "severity"), [(1.0, Severity.INFO), (4.0, Severity.WARNING)])
@pytest.mark.parametrize("own_series", [False, True])
def test_slices_that_were_planned_anew_belong_to_the_stack(
    tmp_path: Path, degrees: float, severity: Severity, own_series: bool
) -> None:
    changes = {"series_uid": f"{ROOT}.40", "series_number": 40} if own_series else {}
    stack = [ds for ds in images(REST) if int(ds.SOPInstanceUID.split(".")[-2]) <= 5]
    anew = [*tilted(5, degrees, **changes), *tilted(6, degrees, **changes)]
    cine = assemble_cine(select(tmp_path, stack, anew))
    assert cine.stack.geometry.n_slices == 7
    assert found(cine)["slices_tilted"] is severity
    assert where(cine, "slices_tilted") == [(None, 5), (None, 6)]
    middle = ((REST.rows - 1) / 2, (REST.columns - 1) / 2)
    row, column = orthonormal(REST.axes)
    expected_mm = (
        position_mm(REST, 6) + middle[1] * REST.spacing_mm[1] * row + middle[0] * REST.spacing_mm[0] * column
    )
    np.testing.assert_allclose(cine.stack.geometry.point_mm(6, *middle), expected_mm, atol=1e-4)


def test_slices_turned_too_far_are_left_out_with_a_finding(tmp_path: Path) -> None:
    stack = [ds for ds in images(REST) if int(ds.SOPInstanceUID.split(".")[-2]) <= 5]
    selection = select(tmp_path, stack, tilted(5, 9.0), tilted(6, 9.0))
    assert found(selection) == {"adjacent_slices_left_out": Severity.WARNING}


def test_originals_are_measured_and_not_a_later_copy_with_contours_burnt_in(tmp_path: Path) -> None:
    originals = images(REST)
    copy = images(REST.but(series_uid=f"{ROOT}.99", series_number=99,
                           attributes={"ImageType": ["DERIVED", "SECONDARY"]}))  # fmt: skip
    selection = select(tmp_path, copy, originals)
    assert uids(selection) == uids_of(originals)
    assert "derived" in selection.excluded[0].reason


def test_where_only_annotated_images_are_there_they_are_measured_with_a_warning(tmp_path: Path) -> None:
    selection = select(tmp_path, images(REST.but(attributes={"BurnedInAnnotation": "YES"})))
    assert found(selection) == {"annotated_images": Severity.WARNING}


def test_a_slab_with_more_slices_comes_after_a_stack_of_slices(tmp_path: Path) -> None:
    sax = images(REST)
    slab = images(REST.but(series_uid=f"{ROOT}.20", series_number=20, n_slices=24, gap_mm=3.0,
                           attributes={"MRAcquisitionType": "3D"}))  # fmt: skip
    selection = select(tmp_path, slab, sax)
    assert uids(selection) == uids_of(sax)
    assert "3D slab" in selection.excluded[0].reason


@pytest.mark.parametrize(("thick_mm", "n_slices"), [("8", 12), ("12", 6)])
def test_odd_and_even_slices_are_one_stack_unless_they_overlap(
    tmp_path: Path, thick_mm: str, n_slices: int
) -> None:
    spec = REST.but(n_slices=6, gap_mm=16.0, attributes={"SliceThickness": thick_mm})
    row, column = orthonormal(spec.axes)
    between_mm = tuple(np.array(spec.origin_mm) + 8.0 * np.cross(row, column))
    even = spec.but(series_uid=f"{ROOT}.12", series_number=12, origin_mm=between_mm)
    selection = select(tmp_path, images(spec), images(even))
    assert assemble_cine(selection).stack.geometry.n_slices == n_slices
    assert ("other_cine_stack" in [f.code for f in selection.findings]) == (n_slices == 6)
