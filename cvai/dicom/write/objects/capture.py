"""Captures: Multi-frame True Color Secondary Capture images of contours and numbers (PS3.3 section A.8.5).

Frames are JPEG, which every viewer reads. That loses detail; the images themselves stand in the study, and
the contours without loss in the segmentations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from io import BytesIO

import numpy as np
from PIL import Image
from pydicom import DataElement, Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.encaps import encapsulate
from pydicom.uid import Comprehensive3DSRStorage, JPEGBaseline8Bit

from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.contoured import ContouredImages
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext, new_instance
from cvai.dicom.write.objects.frames import decimal_string
from cvai.dicom.write.objects.painted import loop_pictures, panels_picture
from cvai.dicom.write.objects.seg import PIXEL_DATA
from cvai.dicom.write.plan import PANELS, ResultKind, capture_kind
from cvai.dicom.write.source import instance_reference

JPEG_QUALITY = 85


def captures(
    context: ResultContext[AnyAnalysed], images: Sequence[ContouredImages]
) -> dict[str, Callable[[], Dataset]]:
    """How each capture of an analysis is made, by its kind."""
    return {
        **{capture_kind(loop.name): partial(_loop, context, loop) for loop in images if loop.is_loop},
        PANELS: lambda: _capture(context, PANELS, [panels_picture(context, images)]),
    }


def _loop(context: ResultContext[AnyAnalysed], images: ContouredImages) -> Dataset:
    instance = _capture(context, capture_kind(images.name), loop_pictures(context, images))
    if images.times_ms is None:
        # Without times a viewer plays it as fast as it likes, and pages say which frame is which.
        instance.FrameIncrementPointer = tag_for_keyword("PageNumberVector")
        instance.PageNumberVector = list(range(1, len(images.labels) + 1))
    else:
        instance.FrameIncrementPointer = tag_for_keyword("FrameTime")
        instance.FrameTime = decimal_string(float(np.diff(images.times_ms).mean()))
    return instance


def _capture(context: ResultContext[AnyAnalysed], kind: str, pictures: Iterable[Image.Image]) -> Dataset:
    """One object of pictures of one size; they are encoded one by one."""
    frames, size = [], (0, 0)
    for picture in pictures:
        frames.append(encoded_picture(picture))
        size = picture.size
    instance = new_instance(context, kind)
    instance.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    instance.ConversionType = "WSD"
    instance.ImageType = ["DERIVED", "SECONDARY"]
    instance.PatientOrientation = None
    instance.BodyPartExamined = "HEART"
    instance.BurnedInAnnotation = "YES"
    instance.RecognizableVisualFeatures = "NO"
    instance.DerivationDescription = f"Contours and numbers of {context.plan.title}. {NOT_FOR_CLINICAL_USE}."
    instance.SourceInstanceSequence = [
        instance_reference(Comprehensive3DSRStorage, context.uids.sop_instance(ResultKind.SR))
    ]
    _add_pixels(instance, size, frames)
    return instance


def _add_pixels(instance: Dataset, size: tuple[int, int], frames: list[bytes]) -> None:
    instance.Columns, instance.Rows = size
    instance.NumberOfFrames = len(frames)
    instance.SamplesPerPixel = 3
    instance.PhotometricInterpretation = "YBR_FULL_422"
    instance.PlanarConfiguration = 0
    instance.BitsAllocated = instance.BitsStored = 8
    instance.HighBit, instance.PixelRepresentation = 7, 0
    instance.LossyImageCompression = "01"
    instance.LossyImageCompressionMethod = "ISO_10918_1"
    ratio = 3 * size[0] * size[1] * len(frames) / sum(map(len, frames))
    instance.LossyImageCompressionRatio = decimal_string(round(ratio, 1))
    pixels = DataElement(PIXEL_DATA, "OB", encapsulate(frames))
    pixels.is_undefined_length = True
    instance.add(pixels)


def encoded_picture(picture: Image.Image) -> bytes:
    """A picture as a JPEG frame."""
    buffer = BytesIO()
    picture.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:2")
    return buffer.getvalue()
