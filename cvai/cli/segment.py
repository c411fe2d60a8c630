"""``cvai segment``: an image file in, labels out on the same grid."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import nibabel
import numpy as np
import typer
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from cvai.cli.echo_image import frames_of_nifti, parsed_spacing_mm, read_png, write_png
from cvai.errors import FileRefused, GeometryRefused
from cvai.heart.cine import CineStack
from cvai.heart.geometry import StackGeometry
from cvai.inference.card import load_card
from cvai.inference.echo import EchoSegmenter
from cvai.inference.models import model_folder
from cvai.inference.sax import SaxSegmenter


def segment(
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="NIfTI (x, y, z[, t]); of ultrasound (x, y[, t]), or PNG.")
    ],
    target: Annotated[Path, typer.Argument(metavar="OUT", help="Labels of the same kind and grid.")],
    model: Annotated[str, typer.Option(help="Name of an installed model, or a model folder.")] = "sax",
    spacing: Annotated[
        str | None,
        typer.Option(
            help="Pixel size of a PNG in mm, ROWS,COLUMNS or one number; kept in the PNG of labels."
        ),
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of the network.")] = 2,
) -> None:
    """Label an image.

    Short axis (sax): 1 LV cavity, 2 LV myocardium, 3 RV cavity, 0 background.
    Apical ultrasound (echo): 1 LV cavity, 2 LV myocardium, 3 left atrium, 0 background. A PNG is taken as it
    is displayed, NIfTI as (x, y) with x across; where the sector's symmetry says that rows and columns are
    exchanged, they are, and the labels come out the way the image lies in its file.

    \b
    Example: cvai segment patient_frame01.nii.gz labels.nii.gz
             cvai segment four_chamber.png labels.png --model echo --spacing 0.67,0.81
    """
    folder = model_folder(model)
    spacing_mm = None if spacing is None else parsed_spacing_mm(spacing)
    if load_card(folder).view == "sax_cine":
        image = _load(source)
        stack = _stack(image)
        labels = SaxSegmenter.load(folder, threads).segment(stack).labels
        _save(labels.transpose(3, 2, 1, 0).reshape(image.shape), image, target)
    elif source.suffix.lower() == ".png":
        frame = read_png(source)
        labels = EchoSegmenter.load(folder, threads).segment(frame.loop).labels
        write_png(frame.as_stored(labels)[0], spacing_mm, target)
    else:
        image = _load(source)
        frames = frames_of_nifti(image)
        labels = frames.as_stored(EchoSegmenter.load(folder, threads).segment(frames.loop).labels)
        _save(labels.transpose(1, 2, 0).reshape(image.shape), image, target)
    typer.echo(target)


def _save(on_grid: NDArray[np.uint8], image: nibabel.Nifti1Image, target: Path) -> None:
    header = image.header.copy()
    header.set_data_dtype(np.uint8)
    header.set_slope_inter(1, 0)
    nibabel.save(nibabel.Nifti1Image(np.ascontiguousarray(on_grid), image.affine, header), target)


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
