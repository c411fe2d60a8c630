"""What is encoded without data sets is what pydicom writes, and reads back as any data set does."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO

import hypothesis.strategies as st
import pytest
from hypothesis import given
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_sequence_item

from cvai.dicom.write.instance import ResultContext
from cvai.dicom.write.objects.encoded import (
    encoded,
    encoded_dataset,
    encoded_item,
    encoded_sequence,
    put_sequence,
    say_encoded,
)
from cvai.dicom.write.objects.sr import measurement_document
from cvai.dicom.write.source import SourceImage, instance_reference, verbatim_element
from tests.dicom.write.synthetic import cine_segmentation

UIDS = st.text("0123456789.", max_size=64)
LATIN_1 = st.text(
    st.characters(codec="latin-1", exclude_categories=["Cc"], exclude_characters="\\"), max_size=20
)
"""What a UID that is none may hold once pydicom has read it."""


def as_pydicom_writes(item: Dataset, *, within_a_sequence: bool = False) -> bytes:
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = False, True
    if within_a_sequence:
        write_sequence_item(buffer, item, ["iso8859"])
    else:
        write_dataset(buffer, item)
    return buffer.getvalue()


@given(UIDS | LATIN_1, UIDS | LATIN_1, st.none() | st.integers(1, 9999))
def test_a_reference_is_encoded_as_pydicom_does(
    class_uid: str, instance_uid: str, frame_number: int | None
) -> None:
    source = SourceImage(class_uid, instance_uid, "1.2", frame_number)
    item = instance_reference("1.2.3", instance_uid)
    item[0x00081150] = verbatim_element("ReferencedSOPClassUID", class_uid)
    if frame_number is not None:
        item.ReferencedFrameNumber = frame_number
    assert source.encoded_reference() == as_pydicom_writes(item)


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4), st.integers(0, 2**16 - 1))
def test_numbers_are_encoded_as_pydicom_does(indices: list[int], segment: int) -> None:
    item = Dataset()
    item.DimensionIndexValues = indices if len(indices) > 1 else indices[0]
    item.ReferencedSegmentNumber = segment
    assert encoded("DimensionIndexValues", *indices) + encoded(
        "ReferencedSegmentNumber", segment
    ) == as_pydicom_writes(item)


def test_items_within_items_are_encoded_as_pydicom_does() -> None:
    inner, outer = Dataset(), Dataset()
    inner.StackID = "1"
    outer.FrameContentSequence = [inner, inner]
    outer.ReferencedFrameNumber = 7
    item = encoded_item(
        encoded("ReferencedFrameNumber", 7),
        encoded_sequence("FrameContentSequence", [encoded_item(encoded("StackID", "1"))] * 2),
    )
    assert item == as_pydicom_writes(outer, within_a_sequence=True) == encoded_dataset(outer)


def test_a_sequence_of_encoded_items_reads_like_any_other() -> None:
    target = Dataset()
    put_sequence(
        target, "FrameContentSequence", [encoded_item(encoded("InStackPositionNumber", z)) for z in (3, 1)]
    )
    assert [item.InStackPositionNumber for item in target.FrameContentSequence] == [3, 1]


def test_what_is_no_keyword_is_not_encoded() -> None:
    with pytest.raises((ValueError, KeyError)):
        encoded("StackIdentity", "1")


@pytest.mark.slow
@pytest.mark.parametrize("make", [cine_segmentation, measurement_document])
def test_saying_that_an_object_is_encoded_changes_none_of_its_bytes(
    context: ResultContext, make: Callable[[ResultContext], Dataset]
) -> None:
    as_made, said = make(context), make(context)
    say_encoded(said)
    files = [BytesIO(), BytesIO()]
    for instance, file in zip((as_made, said), files, strict=True):
        instance.save_as(file, enforce_file_format=True)
    assert files[0].getvalue() == files[1].getvalue()
