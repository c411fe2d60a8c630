from __future__ import annotations

import math
from dataclasses import replace
from io import BytesIO

import highdicom
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydicom import Dataset, dcmread
from pydicom.datadict import keyword_for_tag

from cvai.analyses.cine_sax.analysis import CineAnalysis
from cvai.analyses.cine_sax.objects import CineKind
from cvai.dicom.write.codes import CardiacPhase
from cvai.dicom.write.objects.frames import decimal_string
from cvai.domain.anatomy import SAX_LABELS
from cvai.domain.segmentation import CineSegmentation
from cvai.errors import HeartRefused
from tests.dicom.write.synthetic import (
    UID_ROOT,
    Written,
    cine_segmentation,
    context_of,
    make_analysis,
    phase_segmentation,
)


def frames_of(seg: Dataset) -> np.ndarray:
    """(frame, y, x) bits of a BINARY segmentation, unpacked independently of pydicom."""
    shape = (seg.NumberOfFrames, seg.Rows, seg.Columns)
    bits = np.unpackbits(np.frombuffer(seg.PixelData, np.uint8), bitorder="little")
    return bits[: np.prod(shape)].reshape(shape).astype(bool)


def marked_points_mm(seg: Dataset, frame: int) -> np.ndarray:
    """(n, 3) LPS centres of the marked pixels, by the standard's formula (PS3.3 section C.7.6.2.1.1)."""
    shared = seg.SharedFunctionalGroupsSequence[0]
    own = seg.PerFrameFunctionalGroupsSequence[frame]
    orientation = np.array(shared.PlaneOrientationSequence[0].ImageOrientationPatient, float)
    between_rows, between_columns = map(float, shared.PixelMeasuresSequence[0].PixelSpacing)
    position = np.array(own.PlanePositionSequence[0].ImagePositionPatient, float)
    rows, columns = np.nonzero(frames_of(seg)[frame])
    return (
        position
        + columns[:, None] * between_columns * orientation[:3]
        + rows[:, None] * between_rows * orientation[3:]
    )


def labels_from(seg: Dataset, n_phases: int, n_slices: int) -> np.ndarray:
    """(t, z, y, x) labels put together from the dimension indices of every frame."""
    labels = np.zeros((n_phases, n_slices, seg.Rows, seg.Columns), np.uint8)
    for mask, groups in zip(frames_of(seg), seg.PerFrameFunctionalGroupsSequence, strict=True):
        segment, phase, position = groups.FrameContentSequence[0].DimensionIndexValues
        labels[phase - 1, position - 1][mask] = segment
    return labels


def with_labels(analysis: CineAnalysis, labels: np.ndarray) -> CineAnalysis:
    return replace(analysis, segmentation=CineSegmentation(labels, analysis.cine.stack.geometry))


def reread(instance: Dataset) -> Dataset:
    buffer = BytesIO()
    instance.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    return dcmread(buffer)


def test_every_voxel_of_every_phase_lies_where_it_was_labelled(written: Written) -> None:
    seg, labels = written.read(CineKind.CINE), written.analysis.segmentation.labels
    geometry = written.analysis.segmentation.geometry
    for frame, groups in enumerate(seg.PerFrameFunctionalGroupsSequence):
        segment, phase, position = groups.FrameContentSequence[0].DimensionIndexValues
        t, z = phase - 1, position - 1
        expected = [geometry.point_mm(z, y, x) for y, x in np.argwhere(labels[t, z] == segment)]
        np.testing.assert_allclose(marked_points_mm(seg, frame), expected, atol=1e-6)


def test_a_cine_read_back_equals_what_went_in(written: Written) -> None:
    labels = written.analysis.segmentation.labels
    seg = written.read(CineKind.CINE)
    np.testing.assert_array_equal(labels_from(seg, *labels.shape[:2]), labels)
    np.testing.assert_array_equal(seg.pixel_array, frames_of(seg))


@pytest.mark.slow
def test_highdicom_finds_every_phase_by_its_source_images(written: Written) -> None:
    seg = highdicom.seg.segread(written.path(CineKind.CINE))
    for t, planes in enumerate(written.analysis.cine.planes):
        found = seg.get_pixels_by_source_instance(
            [plane.sop_instance_uid for plane in planes],
            combine_segments=True,
            assert_missing_frames_are_empty=True,
        )
        np.testing.assert_array_equal(found, written.analysis.segmentation.labels[t])


def test_highdicom_finds_every_phase_by_its_source_frames(written_multiframe: Written) -> None:
    analysis = written_multiframe.analysis
    seg = highdicom.seg.segread(written_multiframe.path(CineKind.CINE))
    for t, planes in enumerate(analysis.cine.planes):
        found = seg.get_pixels_by_source_frame(
            f"{UID_ROOT}.3",
            [plane.frame_number for plane in planes],
            combine_segments=True,
            assert_missing_frames_are_empty=True,
        )
        np.testing.assert_array_equal(found, analysis.segmentation.labels[t])


@pytest.mark.parametrize(
    ("kind", "phase"),
    [(CineKind.END_DIASTOLE, CardiacPhase.END_DIASTOLE), (CineKind.END_SYSTOLE, CardiacPhase.END_SYSTOLE)],
)
def test_highdicom_reads_a_phase_as_a_volume_in_its_place(
    written: Written, kind: str, phase: CardiacPhase
) -> None:
    analysis = written.analysis
    phases = {
        CardiacPhase.END_DIASTOLE: analysis.phases.end_diastole,
        CardiacPhase.END_SYSTOLE: analysis.phases.end_systole,
    }
    volume = highdicom.seg.segread(written.path(kind)).get_volume(combine_segments=True)
    np.testing.assert_array_equal(volume.array, analysis.segmentation.labels[phases[phase]])
    for index in np.ndindex(2, 2, 2):
        z, y, x = np.array(index) * (np.array(volume.array.shape) - 1)
        expected = analysis.segmentation.geometry.point_mm(int(z), y, x)
        np.testing.assert_allclose((volume.affine @ [z, y, x, 1])[:3], expected, atol=1e-6)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_pattern_on_any_grid_is_read_back(data: st.DataObject) -> None:
    """Grids whose frames do not fill whole bytes included: frames follow each other without a gap."""
    shape = tuple(data.draw(st.tuples(*[st.integers(2, 5)] * 2, *[st.integers(1, 9)] * 2)))
    labels = data.draw(arrays(np.uint8, shape, elements=st.integers(0, 3)))
    labels[0, 0, 0, 0] = 1
    context = context_of(with_labels(make_analysis(shape), labels))
    seg = reread(cine_segmentation(context))
    np.testing.assert_array_equal(labels_from(seg, *shape[:2]), labels)
    assert len(seg.PixelData) % 2 == 0


def test_frames_are_stored_only_where_their_segment_is_present(written: Written) -> None:
    labels = written.analysis.segmentation.labels
    present = sum(
        bool((slice_labels == label).any())
        for phase in labels
        for slice_labels in phase
        for label in SAX_LABELS.values()
    )
    seg = written.read(CineKind.CINE)
    assert seg.NumberOfFrames == present < labels.shape[0] * labels.shape[1] * len(SAX_LABELS)
    assert frames_of(seg).any(axis=(1, 2)).all()


def test_every_frame_names_the_image_it_was_made_from(written: Written) -> None:
    planes = written.analysis.cine.planes
    for groups in written.read(CineKind.CINE).PerFrameFunctionalGroupsSequence:
        _, phase, position = groups.FrameContentSequence[0].DimensionIndexValues
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        plane = planes[phase - 1][position - 1]
        assert source.ReferencedSOPInstanceUID == plane.sop_instance_uid
        assert source.ReferencedSOPClassUID == plane.sop_class_uid
        assert "ReferencedFrameNumber" not in source


def test_frames_of_a_multiframe_source_are_named_by_number(written_multiframe: Written) -> None:
    planes = written_multiframe.analysis.cine.planes
    for groups in written_multiframe.read(CineKind.CINE).PerFrameFunctionalGroupsSequence:
        _, phase, position = groups.FrameContentSequence[0].DimensionIndexValues
        source = groups.DerivationImageSequence[0].SourceImageSequence[0]
        assert source.ReferencedFrameNumber == planes[phase - 1][position - 1].frame_number


@pytest.mark.parametrize("kind", [CineKind.CINE, CineKind.END_DIASTOLE, CineKind.END_SYSTOLE])
def test_every_referenced_instance_stands_in_the_common_instance_reference(
    written: Written, kind: str
) -> None:
    seg = written.read(kind)
    (series,) = seg.ReferencedSeriesSequence
    listed = {item.ReferencedSOPInstanceUID for item in series.ReferencedInstanceSequence}
    used = {
        groups.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID
        for groups in seg.PerFrameFunctionalGroupsSequence
    }
    assert series.SeriesInstanceUID == f"{UID_ROOT}.2"
    assert used <= listed


def test_the_phase_is_a_dimension_of_the_cine_only(written: Written) -> None:
    def dimensions(kind: str) -> list[str]:
        items = written.read(kind).DimensionIndexSequence
        return [keyword_for_tag(item.DimensionIndexPointer) for item in items]

    space = ["ReferencedSegmentNumber", "ImagePositionPatient"]
    assert dimensions(CineKind.CINE) == [space[0], "TemporalPositionIndex", space[1]]
    assert dimensions(CineKind.END_DIASTOLE) == dimensions(CineKind.END_SYSTOLE) == space


def test_dimension_indices_are_unique_and_agree_with_the_frame_content(written: Written) -> None:
    seg = written.read(CineKind.CINE)
    contents = [groups.FrameContentSequence[0] for groups in seg.PerFrameFunctionalGroupsSequence]
    indices = [tuple(content.DimensionIndexValues) for content in contents]
    assert len(set(indices)) == len(indices)
    assert indices == sorted(indices)
    for groups, content in zip(seg.PerFrameFunctionalGroupsSequence, contents, strict=True):
        segment, phase, position = content.DimensionIndexValues
        assert groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber == segment
        assert (content.TemporalPositionIndex, content.InStackPositionNumber) == (phase, position)
        time_ms = written.analysis.cine.stack.phase_times_ms[phase - 1]
        assert content.FrameComments == f"{time_ms:.1f} ms after the R wave"


def test_segments_say_what_they_are_and_who_made_them(written: Written) -> None:
    seg = written.read(CineKind.CINE)
    types = [s.SegmentedPropertyTypeCodeSequence[0].CodeValue for s in seg.SegmentSequence]
    assert types == ["87878005", "49848007", "53085002"]
    for number, segment in enumerate(seg.SegmentSequence, 1):
        assert segment.SegmentNumber == number == SAX_LABELS[list(SAX_LABELS)[number - 1]]
        assert segment.SegmentAlgorithmType == "AUTOMATIC"
        algorithm = segment.SegmentationAlgorithmIdentificationSequence[0]
        assert algorithm.AlgorithmVersion == written.analysis.model.version
        assert written.analysis.model.sha256 in algorithm.AlgorithmParameters
    assert (seg.SegmentationType, seg.SegmentsOverlap) == ("BINARY", "NO")


@pytest.mark.parametrize("tell_time", [True, False])
def test_a_study_that_does_not_tell_time_gets_no_times(tell_time: bool) -> None:
    analysis = make_analysis((2, 3, 24, 40))
    if not tell_time:
        stack = replace(analysis.cine.stack, trigger_times_ms=None)
        analysis = replace(analysis, cine=replace(analysis.cine, stack=stack))
    seg = cine_segmentation(context_of(analysis))
    content = seg.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0]
    assert ("FrameComments" in content) is tell_time


@pytest.mark.parametrize(("stated", "expected_mm"), [("8", 8.0), (None, 8.5)])
def test_slices_are_as_thick_as_the_source_says_else_as_far_apart(
    stated: str | None, expected_mm: float
) -> None:
    def edit(header: Dataset, t: int, z: int) -> None:
        if stated is None:
            del header.SliceThickness

    context = context_of(make_analysis((2, 3, 24, 40), edit_header=edit))
    measures = cine_segmentation(context).SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SliceThickness) == pytest.approx(expected_mm)
    assert float(measures.SpacingBetweenSlices) == pytest.approx(8.5)
    assert [float(v) for v in measures.PixelSpacing] == [1.9, 1.3]


def test_an_empty_phase_is_refused() -> None:
    analysis = make_analysis((2, 3, 24, 40))
    labels = analysis.segmentation.labels.copy()
    labels[analysis.phases.end_systole] = 0
    context = context_of(with_labels(analysis, labels))
    with pytest.raises(HeartRefused, match="end-systole") as refusal:
        phase_segmentation(context, CardiacPhase.END_SYSTOLE)
    assert refusal.value.code == "segmentation_empty"


@given(st.floats(-1e6, 1e6) | st.sampled_from([1.0, 10.0, 100.0]).map(lambda power: math.nextafter(power, 0)))
@example(-9.999999999999998)
def test_a_decimal_string_is_never_too_long_and_tells_the_number(value: float) -> None:
    text = decimal_string(value)
    assert len(text) <= 16
    assert float(text) == pytest.approx(value, rel=1e-8, abs=1e-12)
