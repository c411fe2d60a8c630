"""Late enhancement as a study on disk, with the cine or without: DICOM instances and their truth."""

from __future__ import annotations

from pathlib import Path

from pydicom.dataset import Dataset

from cvai.phantom.cine_sax.dicom import common_attributes, frame_instance, write_instances
from cvai.phantom.cine_sax.study import new_study_folder
from cvai.phantom.late_enhancement.phantom import (
    EnhancementPhantom,
    EnhancementTruth,
    Scar,
    make_enhancement_phantom,
)
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart
from cvai.phantom.uids import phantom_uid

_TIME = "103000"
_INVERSION_TIME_MS = 300.0


def write_enhancement_study(
    folder: Path,
    scar: Scar | None = None,
    acquisition: PhantomAcquisition | None = None,
    *,
    heart: PhantomHeart | None = None,
    with_cine: bool = False,
) -> EnhancementTruth:
    """Make a phantom and write ``dicom/*.dcm`` and ``truth.json`` into ``folder``.

    The same arguments write the same bytes.

    Args:
        folder: made where it does not exist.
        scar: the infarct; the usual one if None.
        acquisition: how the heart is imaged; the usual way if None.
        heart: which is imaged; drawn by the acquisition's seed if None.
        with_cine: whether the cine of the same heart is written as well.

    Raises:
        ConfigurationInvalid: the slices do not reach the apex.
    """
    acquisition = acquisition or PhantomAcquisition()
    heart = heart or PhantomHeart.drawn(acquisition.seed)
    phantom = make_enhancement_phantom(heart, acquisition, scar or Scar())
    instances = new_study_folder(folder, phantom.truth)
    if with_cine:
        write_instances(instances, phantom.cine)
    for z, instance in enumerate(enhancement_instances(phantom)):
        instance.save_as(instances / f"enhancement_slice{z + 1:02d}.dcm", enforce_file_format=True)
    return phantom.truth


def enhancement_instances(phantom: EnhancementPhantom) -> list[Dataset]:
    """One MR Image Storage instance a slice, phase-sensitive, as one series."""
    common = common_attributes(phantom.cine)
    end_diastole = phantom.cine.truth.phases.end_diastole
    return [
        _enhanced(frame_instance(common, phantom.cine, end_diastole, z), phantom, z)
        for z in range(len(phantom.pixels))
    ]


def _enhanced(ds: Dataset, phantom: EnhancementPhantom, z: int) -> Dataset:
    """The instance of a slice of the cine as one of late enhancement."""
    cine, scar = phantom.cine.truth, phantom.truth.scar
    ds.ImageType = ["ORIGINAL", "PRIMARY", "R", "PSIR"]
    ds.SeriesInstanceUID = phantom_uid(cine.heart, cine.acquisition, "enhancement series", repr(scar))
    ds.SOPInstanceUID = phantom_uid(cine.heart, cine.acquisition, f"enhancement slice {z}", repr(scar))
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    ds.SeriesNumber, ds.InstanceNumber = 2, z + 1
    ds.SeriesDescription = "Synthetic late enhancement SAX"
    ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = _TIME
    ds.ScanningSequence, ds.InversionTime = ["GR", "IR"], _INVERSION_TIME_MS
    ds.ContrastBolusAgent = "gadolinium"
    del ds.CardiacNumberOfImages
    ds.PixelData = phantom.pixels[z].astype("<u2").tobytes()
    ds.WindowCenter, ds.WindowWidth = 500, 1000
    return ds
