"""``cvai segment``: NIfTI in, labels out on the same grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import nibabel
import numpy as np
import typer
from nibabel.filebasedimages import ImageFileError

from cvai.errors import FileRefused, GeometryRefused
from cvai.heart.cine import CineStack
from cvai.heart.geometry import StackGeometry
from cvai.inference.models import model_folder
from cvai.inference.sax import SaxSegmenter


def segment(
    source: Annotated[Path, typer.Argument(metavar="IN.nii.gz", help="Image (x, y, z) or (x, y, z, t).")],
    target: Annotated[Path, typer.Argument(metavar="OUT.nii.gz", help="Labels, on the same grid.")],
    model: Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")] = "sax",
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
) -> None:
    """Label a short-axis image: 1 LV cavity, 2 LV myocardium, 3 RV cavity, 0 background.

    \b
    Example: cvai segment patient_frame01.nii.gz labels.nii.gz
    """
    image = _load(source)
    stack = _stack(image)
    labels = SaxSegmenter.load(model_folder(model), threads).segment(stack).labels
    on_grid = labels.transpose(3, 2, 1, 0).reshape(image.shape)
    header = image.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(on_grid), image.affine, header), target)
    typer.echo(target)


def _load(path: Path) -> nibabel.Nifti1Image:
    try:
        return nibabel.load(path)
    except (OSError, ImageFileError) as error:
        raise FileRefused(
            "not_nifti", f"{path.name} cannot be read as NIfTI.", "Give a .nii or .nii.gz file that exists."
        ) from error


def _stack(image: nibabel.Nifti1Image) -> CineStack:
    """The image as a cine; NIfTI tells the spacing, and the place in the patient is not needed here."""
    if image.ndim not in (3, 4):
        raise GeometryRefused(
            "not_a_volume", f"The image has {image.ndim} dimensions.", "Give (x, y, z) or (x, y, z, t)."
        )
    sx, sy, sz = (float(v) for v in image.header.get_zooms()[:3])
    if min(sx, sy, sz) <= 0 or image.shape[2] < 2:
        raise GeometryRefused(
            "not_a_stack",
            f"The image has {image.shape[2]} slices and a spacing of {sx:g} x {sy:g} x {sz:g} mm.",
            "Give a stack of at least two slices with its spacing in the header.",
        )
    data = np.asarray(image.dataobj, dtype=np.float32)
    pixels = data.reshape(*image.shape[:3], -1).transpose(3, 2, 1, 0)
    geometry = StackGeometry.unplaced(pixels.shape[1], (sz, sy, sx))
    return CineStack(np.ascontiguousarray(pixels), geometry, None, None)
