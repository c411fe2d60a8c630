"""Late enhancement found among what a study holds, on phantoms written in memory."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, Sequence
from pydicom.uid import generate_uid

from cvai.dicom.read.cine.cine_finder import select_sax_cine
from cvai.dicom.read.enhancement.assemble import assemble_enhancement, cine_at_enhancement
from cvai.dicom.read.enhancement.finder import EnhancementSelection, images_of, select_late_enhancement
from cvai.dicom.read.enhancement.presence import may_hold_cine, may_hold_late_enhancement
from cvai.dicom.read.values import CineNotFound, LostFile, Study
from cvai.domain.series_choice import SeriesChoice
from cvai.errors import FileRefused
from cvai.phantom.cine_sax.dicom import common_attributes, frame_instance
from cvai.phantom.late_enhancement.phantom import EnhancementPhantom, Scar, make_enhancement_phantom
from cvai.phantom.late_enhancement.study import enhancement_instances
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from tests.dicom.read.dicom_files import write_one
from tests.dicom.read.in_memory import study_of

ACQUISITION = PhantomAcquisition(
    n_slices=None, n_phases=8, rows=88, columns=96, spacing_y_mm=3.0, spacing_x_mm=2.8, seed=4
)


@pytest.fixture(scope="module")
def phantom() -> EnhancementPhantom:
    return make_enhancement_phantom(PhantomHeart.drawn(4), ACQUISITION, Scar(no_reflow=True))


@pytest.fixture
def stack(phantom: EnhancementPhantom) -> list[Dataset]:
    return enhancement_instances(phantom)


@pytest.fixture
def cine(phantom: EnhancementPhantom) -> list[Dataset]:
    common, (n_phases, n_slices) = common_attributes(phantom.cine), phantom.cine.pixels.shape[:2]
    return [frame_instance(common, phantom.cine, t, z) for z in range(n_slices) for t in range(n_phases)]


def as_series(datasets: list[Dataset], number: int, **changed: object) -> list[Dataset]:
    """Copies of instances as another series."""
    uid = generate_uid(entropy_srcs=[str(number)])
    copies = [deepcopy(ds) for ds in datasets]
    for place, ds in enumerate(copies):
        ds.SeriesInstanceUID, ds.SeriesNumber = uid, number
        ds.SOPInstanceUID = generate_uid(entropy_srcs=[str(number), str(place)])
        for keyword, value in changed.items():
            setattr(ds, keyword, value)
    return copies


def numbers_of(selection: EnhancementSelection) -> set[int]:
    return {int(plane.header.SeriesNumber) for plane in images_of(selection)}


def codes_of(selection: EnhancementSelection) -> set[str]:
    return {finding.code for finding in selection.findings}


def refusal(datasets: list[Dataset]) -> CineNotFound:
    with pytest.raises(CineNotFound) as caught:
        select_late_enhancement(study_of(datasets))
    return caught.value


def test_cine_and_late_enhancement_of_a_study_are_told_apart(
    stack: list[Dataset], cine: list[Dataset]
) -> None:
    study = study_of([*cine, *stack])
    selection = select_late_enhancement(study)
    assert numbers_of(selection) == {2}
    assert selection.is_phase_sensitive
    assert codes_of(selection) == set()
    assert [e.reason for e in selection.excluded] == ["no inversion recovery: no late enhancement"]
    assert {int(p.header.SeriesNumber) for p in select_sax_cine(study).planes} == {1}


def test_a_series_that_a_person_chose_is_taken_or_refused_with_the_reason(
    stack: list[Dataset], cine: list[Dataset]
) -> None:
    later = as_series(stack, 7)
    study = study_of([*cine, *stack, *later])
    assert numbers_of(select_late_enhancement(study)) == {7}

    def chosen(series_uid: str) -> Study:
        return replace(study, chosen=SeriesChoice(series_uid, "Hart^Ada", datetime(2026, 3, 1, tzinfo=UTC)))

    selection = select_late_enhancement(chosen(stack[0].SeriesInstanceUID))
    assert numbers_of(selection) == {2}
    assert codes_of(selection) == {"series_chosen_by_reader"}
    assert later[0].SeriesInstanceUID in {left.series_uid for left in selection.excluded}
    with pytest.raises(CineNotFound, match="no inversion recovery") as caught:
        select_late_enhancement(chosen(cine[0].SeriesInstanceUID))
    assert caught.value.code == "chosen_series_no_stack"


def test_without_a_cine_of_these_places_a_reader_is_told(stack: list[Dataset]) -> None:
    assert codes_of(select_late_enhancement(study_of(stack))) == {"no_matching_cine"}


def test_a_cine_that_does_not_say_where_it_lies_is_no_match(
    stack: list[Dataset], cine: list[Dataset]
) -> None:
    for ds in cine:
        del ds.ImagePositionPatient
    assert codes_of(select_late_enhancement(study_of([*cine, *stack]))) == {"no_matching_cine"}


@pytest.mark.parametrize("phase", [6, None])
def test_the_phase_of_the_cine_is_that_of_late_enhancement(
    phantom: EnhancementPhantom, stack: list[Dataset], cine: list[Dataset], tmp_path: Path, phase: int | None
) -> None:
    late = as_series(stack, 3)
    for ds in late:
        del ds.TriggerTime
        if phase is not None:
            ds.TriggerTime = float(np.median(phantom.cine.trigger_times_ms[phase]))
    files = {str(ds.SOPInstanceUID): tmp_path / f"{place}.dcm" for place, ds in enumerate(cine)}
    for ds in cine:
        write_one(files[str(ds.SOPInstanceUID)], ds)
    selection = select_late_enhancement(study_of([*cine, *late], files))
    assert selection.cine is not None
    seen = cine_at_enhancement(selection.cine, selection).phase(0)
    true = phantom.cine.pixels[phase or 0]
    assert np.array_equal(seen, true) or np.array_equal(seen, true[::-1])


def test_phase_sensitive_images_are_preferred_to_their_magnitudes(stack: list[Dataset]) -> None:
    magnitude = as_series(stack, 3, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    selection = select_late_enhancement(study_of([*magnitude, *stack]))
    assert numbers_of(selection) == {2}
    assert "magnitude late enhancement" in selection.excluded[0].reason
    alone = select_late_enhancement(study_of(magnitude))
    assert not alone.is_phase_sensitive
    assert "magnitude_enhancement" in codes_of(alone)


def test_both_reconstructions_in_one_series_are_not_mixed(stack: list[Dataset]) -> None:
    magnitude = as_series(stack, 3, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    for ds in magnitude:
        ds.SeriesInstanceUID, ds.SeriesNumber = stack[0].SeriesInstanceUID, 2
    selection = select_late_enhancement(study_of([*magnitude, *stack]))
    assert {p.header.ImageType[2] for p in images_of(selection)} == {"R"}
    assert len(images_of(selection)) == len(stack)


def test_slices_that_are_series_of_their_own_are_joined(stack: list[Dataset]) -> None:
    single = [ds for n, one in enumerate(stack) for ds in as_series([one], 10 + n)]
    selection = select_late_enhancement(study_of(single[::-1]))
    assert len(images_of(selection)) == len(stack)


def test_a_slice_that_was_acquired_again_is_the_later_one(stack: list[Dataset]) -> None:
    single = [ds for n, one in enumerate(stack) for ds in as_series([one], 10 + n)]
    again = as_series([stack[2]], 40, AcquisitionTime="104500")
    selection = select_late_enhancement(study_of([*again, *single]))
    assert len(images_of(selection)) == len(stack)
    assert 40 in numbers_of(selection)
    assert 12 not in numbers_of(selection)


def test_the_later_of_two_stacks_is_measured(stack: list[Dataset]) -> None:
    early = as_series(stack, 9, AcquisitionTime="101800")
    assert numbers_of(select_late_enhancement(study_of([*early, *stack]))) == {2}


def test_a_scout_over_inversion_times_is_refused_by_name(stack: list[Dataset]) -> None:
    scout = as_scout(stack, 40.0, 3)
    refused = refusal(scout)
    assert refused.code == "inversion_time_scout"
    assert "10 inversion times" in refused.message
    assert numbers_of(select_late_enhancement(study_of([*scout, *stack]))) == {2}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"ScanningSequence": ["SE", "IR"]}, "oedema"),
        ({"ImageType": ["DERIVED", "PRIMARY", "M", "T1 MAP"]}, "map"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
    ],
)
def test_what_is_inverted_and_no_late_enhancement_is_left_out(
    stack: list[Dataset], changed: dict[str, object], reason: str
) -> None:
    refused = refusal(as_series(stack, 6, **changed))
    assert refused.code == "no_late_enhancement"
    assert reason in refused.excluded[0].reason


def test_a_cine_alone_holds_no_late_enhancement(cine: list[Dataset]) -> None:
    assert refusal(cine).code == "no_late_enhancement"


def test_one_slice_is_refused_and_two_are_measured_with_a_warning(stack: list[Dataset]) -> None:
    assert refusal(stack[3:4]).code == "too_few_slices"
    assert "few_enhancement_slices" in codes_of(select_late_enhancement(study_of(stack[3:5])))


@pytest.mark.parametrize("lost", ["PixelSpacing", "ImagePositionPatient", "ImageOrientationPatient"])
def test_images_without_a_place_are_refused_and_the_reason_is_said(stack: list[Dataset], lost: str) -> None:
    refused = refusal(without(stack, lost))
    assert refused.code == "no_late_enhancement"
    assert "position, orientation or pixel spacing missing" in refused.excluded[0].reason


def test_a_stack_is_assembled_in_order_with_its_pixels(
    phantom: EnhancementPhantom, stack: list[Dataset], tmp_path: Path
) -> None:
    files = {str(ds.SOPInstanceUID): tmp_path / f"{n}.dcm" for n, ds in enumerate(stack)}
    for ds in stack:
        write_one(files[str(ds.SOPInstanceUID)], ds)
    found = assemble_enhancement(select_late_enhancement(study_of(stack[::-1], files)))
    order = [
        stack.index(next(d for d in stack if d.SOPInstanceUID == p.sop_instance_uid)) for p in found.planes[0]
    ]
    assert order in (list(range(len(stack))), list(range(len(stack)))[::-1])
    np.testing.assert_array_equal(found.stack.phase(0), phantom.pixels[order])
    assert found.stack.phase_times_ms is None


def as_scout(stack: list[Dataset], step_ms: float, *positions: int) -> list[Dataset]:
    """Positions of a stack imaged ten times each, at inversion times that are apart by so much."""
    images = [
        ds
        for n in range(10)
        for ds in as_series([stack[z] for z in positions], 5, InversionTime=100.0 + step_ms * n)
    ]
    for n, ds in enumerate(images):
        ds.SOPInstanceUID, ds.InstanceNumber = generate_uid(entropy_srcs=["scout", str(n)]), n + 1
    return images


def without(datasets: list[Dataset], *keywords: str) -> list[Dataset]:
    copies = [deepcopy(ds) for ds in datasets]
    for ds in copies:
        for keyword in keywords:
            delattr(ds, keyword)
    return copies


def test_a_cine_alone_is_nothing_to_do_for_late_enhancement(
    stack: list[Dataset], cine: list[Dataset]
) -> None:
    assert not may_hold_late_enhancement(study_of(cine))
    perfusion = as_scout(stack, 0.0, 2, 3, 4)
    assert not may_hold_late_enhancement(study_of([*cine, *perfusion]))
    assert refusal(perfusion).code == "no_late_enhancement"


def test_what_may_be_late_enhancement_is_looked_at(stack: list[Dataset], cine: list[Dataset]) -> None:
    assert may_hold_late_enhancement(study_of([*cine, *stack]))
    assert may_hold_late_enhancement(study_of([*cine, *stack[:1]]))
    assert may_hold_late_enhancement(study_of([*cine, *as_scout(stack, 40.0, 3)]))
    assert may_hold_late_enhancement(study_of([*cine, *without(stack, "ImagePositionPatient")]))


def test_late_enhancement_and_what_surrounds_it_is_nothing_to_do_for_the_cine(stack: list[Dataset]) -> None:
    localizer = as_series(
        without(stack[:3], "InversionTime"), 7, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]
    )
    spin_echo = as_series(without(stack[:3], "InversionTime"), 8, ScanningSequence="SE")
    for datasets in (stack, [*localizer, *spin_echo, *as_scout(stack, 40.0, 3), *stack]):
        assert not may_hold_cine(study_of(datasets))
    assert may_hold_cine(study_of([*localizer, *spin_echo]))


def test_a_spoiled_cine_beside_late_enhancement_is_not_passed_over(
    stack: list[Dataset], cine: list[Dataset]
) -> None:
    assert may_hold_cine(study_of([*cine, *stack]))
    assert may_hold_cine(study_of([*cine[:1], *stack]))
    assert may_hold_cine(study_of(without(cine, "ImagePositionPatient", "TriggerTime") + stack))
    assert may_hold_cine(study_of([*as_scout(stack, 40.0, 2, 3), *stack]))
    lost = LostFile(FileRefused("not_dicom", "A file is not DICOM."))
    assert may_hold_cine(replace(study_of(stack), lost=(lost,)))


def test_a_stack_in_two_series_is_joined(stack: list[Dataset]) -> None:
    selection = select_late_enhancement(study_of([*as_series(stack[:6], 3), *as_series(stack[6:], 4)]))
    assert len(images_of(selection)) == len(stack)
    assert numbers_of(selection) == {3, 4}


def test_a_late_stack_of_fewer_slices_is_preferred_to_an_early_one(stack: list[Dataset]) -> None:
    early = as_series(stack, 3, AcquisitionTime="101500")
    assert numbers_of(select_late_enhancement(study_of([*early, *as_series(stack[1:], 9)]))) == {9}
    assert numbers_of(select_late_enhancement(study_of([*early, *as_series(stack[:3], 9)]))) == {3}


def test_early_slices_do_not_fill_what_a_late_stack_lacks(stack: list[Dataset]) -> None:
    early, late = (
        [ds for n, one in enumerate(stack) for ds in as_series([one], first + n, AcquisitionTime=time)]
        for first, time in ((20, "100500"), (40, "103500"))
    )
    selection = select_late_enhancement(study_of([*early, *late[:4], *late[5:]]))
    assert min(numbers_of(selection)) >= 40


def test_slices_acquired_again_are_said(stack: list[Dataset]) -> None:
    again = as_series(stack[2:4], 5, AcquisitionTime="104000")
    selection = select_late_enhancement(study_of([*stack, *again]))
    assert numbers_of(selection) == {2, 5}
    assert "repeated_slice" in codes_of(selection)


def test_a_slice_beside_the_stack_that_does_not_fit_is_said(stack: list[Dataset]) -> None:
    last = as_series(stack[-1:], 5, EchoTime=9.0)
    selection = select_late_enhancement(study_of([*stack[:-1], *last]))
    assert len(images_of(selection)) == len(stack) - 1
    assert "adjacent_slices_left_out" in codes_of(selection)


def test_a_part_of_the_stack_that_does_not_fit_is_said(stack: list[Dataset]) -> None:
    last = as_series(stack[-4:], 5, EchoTime=9.0)
    selection = select_late_enhancement(study_of([*stack[:-4], *last]))
    assert "4 slice(s)" in next(f for f in selection.findings if f.code == "adjacent_slices_left_out").message


def test_another_whole_stack_is_no_part_that_was_left_out(stack: list[Dataset]) -> None:
    again = as_series(stack, 5, EchoTime=9.0)
    assert "adjacent_slices_left_out" not in codes_of(select_late_enhancement(study_of([*stack, *again])))


@pytest.mark.parametrize(("last_ms", "is_said"), [(340.0, False), (400.0, True)])
def test_inversion_times_too_far_apart_for_a_drift_are_said(
    stack: list[Dataset], last_ms: float, is_said: bool
) -> None:
    for ds, inversion_ms in zip(stack, np.linspace(280.0, last_ms, len(stack)), strict=True):
        ds.InversionTime = f"{inversion_ms:.0f}"
    assert ("inversion_times_differ" in codes_of(select_late_enhancement(study_of(stack)))) is is_said


@pytest.mark.parametrize("magnitudes", [slice(5, None), slice(1, None, 2)])
def test_slices_of_the_stack_that_are_reconstructed_another_way_are_said(
    stack: list[Dataset], magnitudes: slice
) -> None:
    others = as_series(stack[magnitudes], 3, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    measured = [ds for ds in stack if ds not in stack[magnitudes]]
    selection = select_late_enhancement(study_of([*measured, *others]))
    assert numbers_of(selection) == {2}
    assert "adjacent_slices_left_out" in codes_of(selection)


def test_magnitudes_of_the_same_slices_are_not_said_to_be_missing(stack: list[Dataset]) -> None:
    magnitude = as_series(stack, 3, ImageType=["ORIGINAL", "PRIMARY", "M", "ND"])
    for images in (magnitude, magnitude[2:], [*magnitude[:2], *magnitude[5:]]):
        assert "adjacent_slices_left_out" not in codes_of(
            select_late_enhancement(study_of([*stack, *images]))
        )


def test_two_dimensional_slices_are_preferred_to_a_slab(stack: list[Dataset]) -> None:
    slab = as_series(stack, 9, MRAcquisitionType="3D", AcquisitionTime="105000")
    assert numbers_of(select_late_enhancement(study_of([*slab, *stack]))) == {2}


@pytest.mark.parametrize("description", ["SAX PSIR", "SAX"])
def test_of_all_components_of_the_signal_the_real_one_is_measured(
    stack: list[Dataset], description: str
) -> None:
    components = [
        as_series(stack, 3 + n, ImageType=["ORIGINAL", "PRIMARY", f"{letter}_IR", letter, "IR"])
        for n, letter in enumerate("RMIP")
    ]
    together = [ds for series in components for ds in series]
    for n, ds in enumerate(together):
        ds.SeriesInstanceUID, ds.InstanceNumber = stack[0].SeriesInstanceUID, n + 1
        ds.SeriesDescription = description
    assert {p.header.ImageType[3] for p in images_of(select_late_enhancement(study_of(together)))} == {"R"}
    without_real = select_late_enhancement(study_of(together[len(stack) :]))
    chosen = {p.header.ImageType[3] for p in images_of(without_real)}
    assert chosen == {"P" if "PSIR" in description else "M"}


def test_a_series_that_is_called_magnitude_is_that(stack: list[Dataset]) -> None:
    named = {"ImageType": ["ORIGINAL", "PRIMARY", "OTHER"], "ScanningSequence": ["GR", "IR"]}
    signed = as_series(stack, 4, SeriesDescription="SAX PSIR MDE", **named)
    magnitude = as_series(stack, 5, SeriesDescription="MAG: SAX PSIR MDE", **named)
    assert numbers_of(select_late_enhancement(study_of([*signed, *magnitude]))) == {4}


def test_a_scout_of_a_series_for_each_inversion_time_is_refused(stack: list[Dataset]) -> None:
    scout = [ds for n in range(8) for ds in as_series(stack, 20 + n, InversionTime=100.0 + 50.0 * n)]
    assert refusal(scout).code == "inversion_time_scout"


def test_perfusion_of_a_series_for_each_moment_is_nothing_to_do(stack: list[Dataset]) -> None:
    perfusion = [ds for n in range(20) for ds in as_series(stack[2:5], 20 + n, InstanceNumber=n)]
    assert not may_hold_late_enhancement(study_of(perfusion))


@pytest.mark.parametrize(
    "changed",
    [
        {"SeriesDescription": "T1Map_native_SAX"},
        {"SeriesDescription": "SAX MOLLI T1 Map"},
        {"SeriesDescription": "ECV map"},
        {"SeriesDescription": "TI_scout"},
        {"ScanningSequence": "IR", "EchoTime": 80.0},
        {"ScanningSequence": "RM", "EchoTime": 70.0},
    ],
)
def test_maps_and_oedema_are_known_by_name_or_echo_time(
    stack: list[Dataset], changed: dict[str, object]
) -> None:
    other = as_series(stack[2:7:2], 8, ImageType=["ORIGINAL", "PRIMARY", "OTHER"], **changed)
    assert not may_hold_late_enhancement(study_of(other))


def test_slices_and_cine_of_other_days_are_flagged(
    stack: list[Dataset], cine: list[Dataset], tmp_path: Path
) -> None:
    files = {str(ds.SOPInstanceUID): tmp_path / f"{n}.dcm" for n, ds in enumerate(stack)}
    for ds in stack:
        write_one(files[str(ds.SOPInstanceUID)], ds)

    def codes() -> set[str]:
        found = assemble_enhancement(select_late_enhancement(study_of([*cine, *stack], files)))
        return {finding.code for finding in found.findings}

    assert "days_differ" not in codes()
    cine = as_series(cine, 1, StudyDate="20190304", SeriesDate="20190304", AcquisitionDate="20190304")
    assert "days_differ" in codes()
    stack = [deepcopy(ds) for ds in stack]
    stack[4].AcquisitionTime = "113000"
    assert "slices_acquired_apart" in codes()


ENHANCED, CONVERTED = "1.2.840.10008.5.1.4.1.1.4.1", "1.2.840.10008.5.1.4.1.1.4.4"
SINGLE_FRAME = (
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime", "NominalInterval"),
    *("HeartRate", "ScanningSequence", "InversionTime", "EchoTime", "SequenceName"),
)
Groups = Mapping[str, Mapping[str, object]]
INVERTED: Groups = {"MRModifierSequence": {"InversionRecovery": "YES", "InversionTimes": [300.0]}}


def group(**attributes: object) -> Sequence:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return Sequence([item])


def as_one_object(frames: list[tuple[Dataset, str]], sop_class: str, groups: Groups) -> Dataset:
    """Single-frame instances, and the component of each, as a multi-frame one with these groups per frame."""
    ds = deepcopy(frames[0][0])
    for keyword in SINGLE_FRAME:
        delattr(ds, keyword)
    ds.SOPClassUID, ds.ImageType = sop_class, ["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"]
    ds.NumberOfFrames, ds.SeriesDescription = len(frames), "1101"
    ds.SharedFunctionalGroupsSequence = group(
        PixelMeasuresSequence=group(PixelSpacing=frames[0][0].PixelSpacing)
    )
    ds.PerFrameFunctionalGroupsSequence = [
        group(
            PlanePositionSequence=group(ImagePositionPatient=frame.ImagePositionPatient),
            PlaneOrientationSequence=group(ImageOrientationPatient=frame.ImageOrientationPatient),
            MRImageFrameTypeSequence=group(
                FrameType=["ORIGINAL", "PRIMARY", "CARDIAC", "NONE"], ComplexImageComponent=component
            ),
            **{sequence: group(**stated) for sequence, stated in groups.items()},
        )[0]
        for frame, component in frames
    ]
    ds.PixelData = b"".join(frame.PixelData for frame, _ in frames)
    return ds


@pytest.mark.parametrize(
    ("sop_class", "groups"),
    [
        (ENHANCED, INVERTED),
        (ENHANCED, {"MRModifierSequence": {"InversionRecovery": "YES"}}),
        (CONVERTED, {"UnassignedPerFrameConvertedAttributesSequence": {"InversionTime": "300"}}),
        (CONVERTED, {"UnassignedPerFrameConvertedAttributesSequence": {"ScanningSequence": ["GR", "IR"]}}),
    ],
)
def test_of_both_reconstructions_in_one_object_the_phase_sensitive_is_measured(
    stack: list[Dataset], tmp_path: Path, sop_class: str, groups: Groups
) -> None:
    magnitudes = [deepcopy(ds) for ds in stack]
    for ds in magnitudes:
        ds.PixelData = ds.PixelData[::-1]
    frames = [
        frame
        for real, magnitude in zip(stack, magnitudes, strict=True)
        for frame in ((magnitude, "MAGNITUDE"), (real, "REAL"))
    ]
    one = as_one_object(frames, sop_class, groups)
    write_one(tmp_path / "one.dcm", one)
    study = study_of([one], {str(one.SOPInstanceUID): tmp_path / "one.dcm"})
    assert may_hold_late_enhancement(study)
    selection = select_late_enhancement(study)
    assert selection.is_phase_sensitive
    assert "repeated_slice" not in codes_of(selection)
    found = assemble_enhancement(selection)
    real = {ds.PixelData for ds in stack}
    assert {plane.astype("<u2").tobytes() for plane in found.stack.phase(0)} == real


@pytest.mark.parametrize(
    "changed",
    [
        {"MREchoSequence": {"EffectiveEchoTime": 70.0}},
        {"MRImageFrameTypeSequence": {"FrameType": ["DERIVED", "PRIMARY", "CARDIAC", "T1_MAP"]}},
        {"UnassignedPerFrameConvertedAttributesSequence": {"EchoTime": "70"}},
    ],
)
def test_maps_and_oedema_in_one_object_are_left_out(stack: list[Dataset], changed: Groups) -> None:
    one = as_one_object([(ds, "MAGNITUDE") for ds in stack], ENHANCED, INVERTED)
    assert may_hold_late_enhancement(study_of([one]))
    for frame in one.PerFrameFunctionalGroupsSequence:
        for sequence, stated in changed.items():
            setattr(frame, sequence, group(**stated))
    assert not may_hold_late_enhancement(study_of([one]))


def test_images_soon_after_contrast_are_said_to_be_early(stack: list[Dataset]) -> None:
    for given, is_early in (("102600", True), ("101500", False), ("235800", False)):
        datasets = as_series(stack, 3, ContrastBolusStartTime=given)
        assert ("enhancement_early" in codes_of(select_late_enhancement(study_of(datasets)))) is is_early


def test_magnitudes_long_after_the_phase_sensitive_stack_are_said(stack: list[Dataset]) -> None:
    magnitude = {"ImageType": ["ORIGINAL", "PRIMARY", "M"]}
    for time, is_early in (("103000", False), ("104000", True)):
        later = as_series(stack, 9, AcquisitionTime=time, **magnitude)
        selection = select_late_enhancement(study_of([*stack, *later]))
        assert numbers_of(selection) == {2}
        assert ("enhancement_early" in codes_of(selection)) is is_early
    few = as_series(stack[2:4], 9, AcquisitionTime="104000", **magnitude)
    assert "enhancement_early" not in codes_of(select_late_enhancement(study_of([*stack, *few])))
