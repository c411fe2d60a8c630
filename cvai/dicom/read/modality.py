"""What an instance was made with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydicom import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    Comprehensive3DSRStorage,
    ComprehensiveSRStorage,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    EncapsulatedPDFStorage,
    EnhancedCTImageStorage,
    EnhancedSRStorage,
    EnhancedUSVolumeStorage,
    EnhancedXAImageStorage,
    KeyObjectSelectionDocumentStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MRSpectroscopyStorage,
    MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    MultiFrameSingleBitSecondaryCaptureImageStorage,
    MultiFrameTrueColorSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    PositronEmissionTomographyImageStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
    XRayAngiographicImageStorage,
)

from cvai.dicom.read.classes import MR_IMAGES, ULTRASOUND_IMAGES
from cvai.dicom.read.header.attributes import numbers, texts, uid

_SCREENSHOTS = frozenset(
    {
        SecondaryCaptureImageStorage,
        MultiFrameSingleBitSecondaryCaptureImageStorage,
        MultiFrameGrayscaleByteSecondaryCaptureImageStorage,
        MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
        MultiFrameTrueColorSecondaryCaptureImageStorage,
    }
)
_MR = "MR"
_OTHER = "OT"

MODALITY_OF_CLASS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(MR_IMAGES, _MR),
        MRSpectroscopyStorage: _MR,
        **dict.fromkeys(ULTRASOUND_IMAGES, "US"),
        EnhancedUSVolumeStorage: "US",
        CTImageStorage: "CT",
        EnhancedCTImageStorage: "CT",
        LegacyConvertedEnhancedCTImageStorage: "CT",
        XRayAngiographicImageStorage: "XA",
        EnhancedXAImageStorage: "XA",
        ComputedRadiographyImageStorage: "CR",
        NuclearMedicineImageStorage: "NM",
        PositronEmissionTomographyImageStorage: "PT",
        **dict.fromkeys(_SCREENSHOTS, _OTHER),
        BasicTextSRStorage: "SR",
        EnhancedSRStorage: "SR",
        ComprehensiveSRStorage: "SR",
        Comprehensive3DSRStorage: "SR",
        KeyObjectSelectionDocumentStorage: "KO",
        SegmentationStorage: "SEG",
        EncapsulatedPDFStorage: "DOC",
    }
)
"""Modality that the instances of a SOP class have (PS3.3 section C.7.3.1.1.1), where it leaves but one."""


def modality_of(header: Dataset) -> str:
    """Modality of an instance: as it states it, else as its SOP class has it; empty where neither says.

    A picture of a screen is often stored as of the modality that it was taken from. Where it has no place in
    the patient it is no MR image, though, and OT.
    """
    sop_class = uid(header, "SOPClassUID")
    stated = texts(header, "Modality")
    if stated[:1] == (_MR,) and sop_class in _SCREENSHOTS and numbers(header, "ImagePositionPatient") is None:
        return _OTHER
    return stated[0] if stated else MODALITY_OF_CLASS.get(sop_class, "")
