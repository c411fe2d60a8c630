"""Whether images were compressed with loss before they arrived, as their headers or transfer syntax state."""

from __future__ import annotations

from collections.abc import Iterable

from pydicom import Dataset
from pydicom.uid import JPEG2000, UID, JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless

from cvai.dicom.read.header.attributes import numbers, texts, uid
from cvai.dicom.read.values import ImagePlane
from cvai.domain.findings import Finding, Severity
from cvai.domain.message import say

HARMLESS_RATIO = 10.0
"""At 12:1 by JPEG 2000 a phantom's ejection fraction and infarct keep within half a point and its masses
within 5 %; at 60:1 the former are off by one point and five, and the latter by 12 %."""

_LOSSY = frozenset({JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSNearLossless})


def compression_findings(images: Iterable[ImagePlane]) -> tuple[Finding, ...]:
    """That pixels are not those of the scanner: a warning where the ratio is high or not stated."""
    planes = list(images)
    lossy = [plane for plane in planes if is_lossy(plane)]
    if not lossy:
        return ()
    stated = (numbers(plane.header, "LossyImageCompressionRatio") for plane in lossy)
    ratios = [max(values) for values in stated if values]
    by = say("{ratio:g}:1", ratio=max(ratios)) if ratios else say("a ratio that is not stated")
    message = say(
        "{n_lossy} of {n_images} images were compressed with loss, by {by}: fine structures may be lost. "
        "Send the original images where there are any.",
        n_lossy=len(lossy),
        n_images=len(planes),
        by=by,
    )
    is_harmless = len(ratios) == len(lossy) and max(ratios) <= HARMLESS_RATIO
    return (Finding("lossy_compression", Severity.INFO if is_harmless else Severity.WARNING, message),)


def is_lossy(plane: ImagePlane) -> bool:
    """By LossyImageCompression (PS3.3 C.7.6.1.1.5), which stays once the pixels are unpacked, or by a
    transfer syntax that loses pixels; JPEG 2000 may, unless the header denies it."""
    stated = texts(plane.header, "LossyImageCompression")
    syntax = UID(uid(getattr(plane.header, "file_meta", Dataset()), "TransferSyntaxUID"))
    return stated == ("01",) or syntax in _LOSSY or (syntax == JPEG2000 and stated != ("00",))
