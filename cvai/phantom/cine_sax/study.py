"""A phantom as a study on disk: DICOM instances and, beside them, the truth."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from cvai.phantom.cine_sax.dicom import write_instances, write_long_axes
from cvai.phantom.cine_sax.long_axes import make_long_axes
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.cine_sax.truth import PhantomTruth
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

DICOM_FOLDER = "dicom"
TRUTH_FILE = "truth.json"


def write_phantom_study(
    folder: Path,
    heart: PhantomHeart | None = None,
    acquisition: PhantomAcquisition | None = None,
    *,
    with_long_axes: bool = False,
) -> PhantomTruth:
    """Make a phantom and write ``dicom/*.dcm`` and ``truth.json`` into ``folder``.

    The same arguments write the same bytes. Those who need the true labels as an array call
    ``cvai.phantom.cine_sax.phantom.make_phantom``.

    Args:
        folder: made where it does not exist.
        heart: the heart; one of 55 % ejection fraction that goes with the seed if None.
        acquisition: how it is imaged; the usual way if None.
        with_long_axes: whether two long-axis cines of the same heart are written as well.

    Raises:
        ConfigurationInvalid: the slices do not reach the apex.
    """
    acquisition = acquisition or PhantomAcquisition()
    phantom = make_phantom(heart or PhantomHeart.drawn(acquisition.seed), acquisition)
    instances = new_study_folder(folder, phantom.truth)
    write_instances(instances, phantom)
    if with_long_axes:
        write_long_axes(instances, phantom, make_long_axes(phantom.truth.heart, acquisition))
    return phantom.truth


class Truth(Protocol):
    """What is known of a phantom beforehand."""

    def to_json(self) -> dict[str, Any]:
        """The content of truth.json."""
        ...


def new_study_folder(folder: Path, truth: Truth) -> Path:
    """The folder for the instances of a phantom, made below ``folder``, with ``truth.json`` beside it."""
    instances = folder / DICOM_FOLDER
    instances.mkdir(parents=True, exist_ok=True)
    (folder / TRUTH_FILE).write_text(json.dumps(truth.to_json(), indent=2) + "\n", encoding="utf-8")
    return instances
