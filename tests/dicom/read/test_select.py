"""The short-axis cine is found among all that a real examination holds, and the rest has a reason."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom import Dataset

from cvai.dicom.read.cine.cine_finder import CineSelection, select_sax_cine
from cvai.dicom.read.values import CineNotFound
from tests.dicom.read.dicom_files import (
    FOUR_CHAMBER,
    SHORT_AXIS,
    TRANSVERSE,
    SeriesSpec,
    edited,
    enhanced,
    image,
    images,
)
from tests.dicom.read.in_memory import study_of

SAX = SeriesSpec()
ROOT = "1.2.826.0.1.3680043.10.999"
STILL = {"TriggerTime": "650", "EchoTime": "3.4", "ScanningSequence": ["GR", "IR"]}


def series(number: int, **changes: object) -> SeriesSpec:
    return SAX.but(series_uid=f"{ROOT}.{number}", series_number=number, **changes)


def scouts(series_uid: str) -> list[Dataset]:
    """Three views of one image each, as they come before every examination."""
    axes = (TRANSVERSE, ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0)), ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0)))
    views = [
        image(series(700 + i, n_slices=1, n_phases=1, axes=a, rows=10), 0, 0) for i, a in enumerate(axes)
    ]
    return edited(views, lambda ds: setattr(ds, "SeriesInstanceUID", series_uid))


def perfusion(spec: SeriesSpec, triggers_ms: Sequence[float]) -> list[Dataset]:
    """Three short-axis slices, one image a heartbeat."""
    datasets = images(spec)
    for ds in datasets:
        t = (ds.InstanceNumber - spec.first_instance) % spec.n_phases
        ds.TriggerTime = f"{triggers_ms[t]:g}"
        ds.AcquisitionTime = f"0910{t:02d}"
        ds.AcquisitionNumber = t
    return datasets


def select(tmp_path: Path, *groups: Sequence[Dataset]) -> CineSelection:
    return select_sax_cine(study_of([ds for group in groups for ds in group]))


def refusal_of(tmp_path: Path, *groups: Sequence[Dataset]) -> CineNotFound:
    with pytest.raises(CineNotFound) as refusal:
        select(tmp_path, *groups)
    return refusal.value


def uids(selection: CineSelection) -> set[str]:
    return {plane.sop_instance_uid for plane in selection.planes}


def uids_of(datasets: Sequence[Dataset]) -> set[str]:
    return {ds.SOPInstanceUID for ds in datasets}


def test_the_cine_is_found_in_a_whole_examination(tmp_path: Path) -> None:
    sax = images(series(20))
    four_chamber = images(series(8, n_slices=1, axes=FOUR_CHAMBER))
    two_chamber = images(series(9, n_slices=1, axes=((0.3, 0.2, -0.9), (0.6, -0.8, 0.0))))
    late = images(series(30, n_phases=1, attributes=STILL))
    first_pass = perfusion(series(25, n_slices=3, n_phases=30), [110.0] * 30)
    localizer = images(series(1, n_phases=1, attributes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}))
    selection = select(tmp_path, late, first_pass, four_chamber, sax, two_chamber, localizer)
    assert selection.series_uid == f"{ROOT}.20"
    assert uids(selection) == uids_of(sax)
    reasons = {p.series_uid: p.reason for p in selection.excluded}
    assert reasons == {
        f"{ROOT}.1": "localizer",
        f"{ROOT}.8": "1 slice x 9 images: a long-axis or single-slice cine, not a stack",
        f"{ROOT}.9": "1 slice x 9 images: a long-axis or single-slice cine, not a stack",
        f"{ROOT}.25": "3 slices x 30 images at trigger times of 110 to 110 ms, not from one heartbeat: "
        "perfusion, another dynamic series, or times in another unit",
        f"{ROOT}.30": "7 slices x 1 images: still images such as scouts, late enhancement or maps, no cine",
    }
    assert selection.findings == ()


def test_scouts_that_share_the_series_uid_of_the_cine_are_passed_over(tmp_path: Path) -> None:
    cine = images(SAX)
    selection = select(tmp_path, scouts(SAX.series_uid), cine)
    assert uids(selection) == uids_of(cine)
    assert [p.series_uid for p in selection.excluded] == [SAX.series_uid] * 3
    assert all("scouts" in p.reason for p in selection.excluded)


def test_a_parallel_scout_in_the_series_of_the_cine_is_passed_over(tmp_path: Path) -> None:
    cine = images(SAX)
    scout = image(SAX.but(series_uid=SAX.series_uid + ".7"), 7, 0)
    scout.SeriesInstanceUID, scout.InstanceNumber = SAX.series_uid, 900
    selection = select(tmp_path, cine, [scout])
    assert uids(selection) == uids_of(cine)


def test_long_axis_views_in_one_series_are_no_stack(tmp_path: Path) -> None:
    views = [
        image(series(8, n_slices=1, axes=axes, n_phases=12).but(series_uid=f"{ROOT}.8.{i}"), 0, t)
        for i, axes in enumerate((SHORT_AXIS, FOUR_CHAMBER, ((0.3, 0.2, -0.9), (0.6, -0.8, 0.0))))
        for t in range(12)
    ]
    edited(views, lambda ds: setattr(ds, "SeriesInstanceUID", f"{ROOT}.8"))
    refusal = refusal_of(tmp_path, views)
    assert refusal.code == "too_few_slices"
    assert "1 parallel slice" in refusal.message


@pytest.mark.parametrize("with_long_axis", [False, True])
def test_a_series_for_every_slice_is_joined(tmp_path: Path, with_long_axis: bool) -> None:
    slices = [image(series(40 + z), z, t) for z in (3, 0, 6, 5, 1, 2, 4) for t in range(9)]
    other = images(series(8, n_slices=1, axes=FOUR_CHAMBER)) if with_long_axis else []
    selection = select(tmp_path, slices, other)
    assert uids(selection) == uids_of(slices)
    assert len(selection.excluded) == with_long_axis


def test_a_series_for_every_phase_is_joined(tmp_path: Path) -> None:
    phases = [image(series(40 + t), z, t) for t in range(9) for z in range(7)]
    late = images(series(30, n_phases=1, attributes=STILL))
    selection = select(tmp_path, phases, late)
    assert uids(selection) == uids_of(phases)
    assert [p.series_uid for p in selection.excluded] == [f"{ROOT}.30"]


def test_two_series_that_hold_half_of_the_slices_each_are_joined(tmp_path: Path) -> None:
    basal = [image(series(11), z, t) for z in range(4) for t in range(9)]
    apical = [image(series(12), z, t) for z in range(4, 8) for t in range(9)]
    assert uids(select(tmp_path, basal, apical)) == uids_of([*basal, *apical])


def test_a_slice_repeated_in_a_series_of_its_own_goes_along(tmp_path: Path) -> None:
    cine = images(series(11))
    repeat = [image(series(12), 4, t) for t in range(9)]
    assert uids(select(tmp_path, cine, repeat)) == uids_of([*cine, *repeat])


def test_of_two_whole_stacks_the_later_is_chosen_and_not_mixed_with_the_earlier(tmp_path: Path) -> None:
    rest, stress = images(series(11)), images(series(31))
    selection = select(tmp_path, stress, rest)
    assert uids(selection) == uids_of(stress)
    assert selection.excluded[0].series_uid == f"{ROOT}.11"
    assert "was preferred" in selection.excluded[0].reason


def test_a_short_axis_stack_is_preferred_to_a_longer_transverse_one(tmp_path: Path) -> None:
    sax = images(series(11))
    transverse = images(series(31, n_slices=12, axes=TRANSVERSE))
    assert uids(select(tmp_path, transverse, sax)) == uids_of(sax)


def test_a_stack_in_any_orientation_is_taken_when_there_is_no_other(tmp_path: Path) -> None:
    transverse = images(series(31, axes=TRANSVERSE))
    selection = select(tmp_path, transverse)
    assert uids(selection) == uids_of(transverse)
    assert [finding.code for finding in selection.findings] == ["unusual_direction"]
    assert "turned by 63 degrees" in selection.findings[0].message


def test_a_sagittal_stack_alone_is_said_to_lie_unusually(tmp_path: Path) -> None:
    sagittal = images(series(31, axes=((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))))
    assert "turned by 45 degrees" in select(tmp_path, sagittal).findings[0].message


def test_a_spoiled_stack_that_nothing_names_is_no_rival_of_a_cine(tmp_path: Path) -> None:
    sax = images(series(11, attributes={"SequenceVariant": ["SK", "SS"]}))
    tagged = images(series(12, attributes={"SequenceVariant": "SP", "EchoTime": "4.1"}))
    selection = select(tmp_path, sax, tagged)
    assert uids(selection) == uids_of(sax)
    assert "spoiled gradient echo" in selection.excluded[0].reason
    assert uids(select(tmp_path, tagged)) == uids_of(tagged)


def test_a_tagged_cine_alone_is_said_to_be_one(tmp_path: Path) -> None:
    tagged = images(series(12, attributes={"SeriesDescription": "SAX_TAGGING"}))
    assert [finding.code for finding in select(tmp_path, tagged).findings] == ["prepared_cine"]


def test_a_whole_stack_is_preferred_to_three_tagged_slices_between_its_own(tmp_path: Path) -> None:
    sax = images(series(11))
    tagged = images(series(12, n_slices=3, gap_mm=20.0, attributes={"EchoTime": "4.1"}))
    selection = select(tmp_path, sax, tagged)
    assert uids(selection) == uids_of(sax)
    assert selection.findings == ()


def test_slices_on_another_grid_that_continue_the_stack_are_told_of(tmp_path: Path) -> None:
    sax = images(series(11))
    more = [image(series(12, rows=10), z, t) for z in (7, 8) for t in range(9)]
    selection = select(tmp_path, sax, more)
    assert uids(selection) == uids_of(sax)
    assert [f.code for f in selection.findings] == ["adjacent_slices_left_out"]
    assert "2 cine slice(s) next to" in selection.findings[0].message


@pytest.mark.slow
@pytest.mark.parametrize("jitter_ms", [0.0, 3.0])
def test_perfusion_with_as_many_slices_as_a_cine_is_no_cine(tmp_path: Path, jitter_ms: float) -> None:
    triggers_ms = [110.0 + jitter_ms * (t % 7) + 0.1 * t * (jitter_ms > 0) for t in range(30)]
    refusal = refusal_of(tmp_path, perfusion(series(25, n_phases=30), triggers_ms))
    assert refusal.code == "no_cine"
    assert "perfusion" in refusal.message


def test_perfusion_whose_trigger_time_runs_on_through_all_heartbeats_is_no_cine(tmp_path: Path) -> None:
    refusal = refusal_of(tmp_path, perfusion(series(25, n_phases=30), [850.0 * t for t in range(30)]))
    assert refusal.code == "no_cine"


def test_perfusion_without_trigger_times_is_known_by_its_acquisition_times(tmp_path: Path) -> None:
    datasets = perfusion(series(25, n_phases=30), [0.0] * 30)
    edited(datasets, lambda ds: delattr(ds, "TriggerTime"))
    assert refusal_of(tmp_path, datasets).code == "no_cine"


def test_a_cine_that_tells_no_times_at_all_is_a_cine(tmp_path: Path) -> None:
    cine = images(SAX)
    edited(cine, lambda ds: delattr(ds, "TriggerTime"))
    edited(cine, lambda ds: delattr(ds, "AcquisitionTime"))
    assert uids(select(tmp_path, cine)) == uids_of(cine)


def test_phase_contrast_velocity_images_are_left_aside(tmp_path: Path) -> None:
    flow = images(series(12, attributes={"ImageType": ["DERIVED", "PRIMARY", "P", "VELOCITY"]}))
    selection = select(tmp_path, images(series(11)), flow)
    assert selection.series_uid == f"{ROOT}.11"
    assert selection.excluded[0].reason == "phase, velocity, phase-sensitive or colour images, no magnitudes"


def test_an_enhanced_mr_cine_is_selected(tmp_path: Path) -> None:
    selection = select(tmp_path, [enhanced(SAX)])
    assert sorted(p.frame_number or 0 for p in selection.planes) == list(range(1, 64))


def test_a_study_without_cine_says_what_was_seen(tmp_path: Path) -> None:
    report = image(series(99), 0, 0)
    report.Modality = "SR"
    refusal = refusal_of(tmp_path, images(series(30, n_phases=1, attributes=STILL)), [report])
    assert refusal.code == "no_cine"
    assert "late enhancement" in refusal.message
    assert "modality SR" in refusal.message
    assert {p.series_uid for p in refusal.excluded} == {f"{ROOT}.30", f"{ROOT}.99"}


def test_a_cine_of_two_slices_is_refused(tmp_path: Path) -> None:
    refusal = refusal_of(tmp_path, images(SAX.but(n_slices=2)))
    assert refusal.code == "too_few_slices"
    assert "2 parallel slice" in refusal.message


@pytest.mark.parametrize("n_phases", [2, 5, 7])
def test_a_stack_with_few_phases_is_refused(tmp_path: Path, n_phases: int) -> None:
    refusal = refusal_of(tmp_path, images(SAX.but(n_phases=n_phases, step_ms=100.0)))
    assert refusal.code == "too_few_phases"
    assert f"{n_phases} phases" in refusal.message


def test_a_study_of_other_modalities_holds_nothing_to_measure(tmp_path: Path) -> None:
    refusal = refusal_of(tmp_path, images(SAX.but(attributes={"Modality": "CT"})))
    assert refusal.code == "nothing_to_measure"
    assert "modality CT" in refusal.message
    assert refusal.hint == "Nothing has to be done."


def test_a_frame_that_states_no_position_stays_with_its_cine(tmp_path: Path) -> None:
    cine = images(SAX)
    edited(cine, lambda ds: delattr(ds, "ImagePositionPatient"), where=lambda ds: ds.InstanceNumber == 30)
    assert uids(select(tmp_path, cine)) == uids_of(cine)


def test_a_cine_that_states_no_positions_is_handed_on_to_be_refused_by_name(tmp_path: Path) -> None:
    cine = images(SAX)
    edited(cine, lambda ds: delattr(ds, "ImagePositionPatient"))
    assert uids(select(tmp_path, cine)) == uids_of(cine)


def test_slices_that_state_one_position_are_not_called_one_slice(tmp_path: Path) -> None:
    cine = images(SAX)
    place = cine[0].ImagePositionPatient
    refusal = refusal_of(tmp_path, edited(cine, lambda ds: setattr(ds, "ImagePositionPatient", place)))
    assert refusal.code == "too_few_slices"
    assert "63 images lie in one slice, up to 7 of them at one trigger time" in refusal.message


@pytest.mark.parametrize(
    ("keyword", "step_ms", "words"),
    [
        ("EchoTime", 2.0, "9 echo times, as for a map of T2 or T2*: 2 to 18 ms"),
        ("InversionTime", 100, "of T1"),
    ],
)
def test_a_map_is_named_and_not_a_cine_of_few_phases(
    tmp_path: Path, keyword: str, step_ms: float, words: str
) -> None:
    echoes = images(SAX)
    for ds in echoes:
        nth = (ds.InstanceNumber - SAX.first_instance) % SAX.n_phases
        setattr(ds, keyword, f"{step_ms * (nth + 1):g}")
        ds.TriggerTime = "600"
    refusal = refusal_of(tmp_path, echoes)
    assert refusal.code == "no_cine"
    assert words in refusal.message


def test_times_in_another_unit_are_named(tmp_path: Path) -> None:
    cine = edited(images(SAX), lambda ds: setattr(ds, "TriggerTime", f"{float(ds.TriggerTime) * 1000:g}"))
    assert "or times in another unit" in refusal_of(tmp_path, cine).message


def test_a_subtraction_is_told(tmp_path: Path) -> None:
    kind = ["DERIVED", "PRIMARY", "SUBTRACTION"]
    selection = select(tmp_path, images(SAX.but(attributes={"ImageType": kind})))
    assert [f.code for f in selection.findings] == ["annotated_images"]
