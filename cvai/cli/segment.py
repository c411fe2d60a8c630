"""``cvai segment``: an image file in, labels out on the same grid."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import nibabel
import numpy as np
import typer
from numpy.typing import NDArray

from cvai.cli.angiogram_image import read_angiogram
from cvai.cli.echo_image import frames_of_nifti, parsed_spacing_mm, read_png, write_png
from cvai.cli.label_file import NIFTI_ENDINGS, PNG_ENDINGS, require_writable, write_whole
from cvai.cli.lge_image import read_slice, slices_of_nifti
from cvai.cli.nifti import NiftiImage, read_nifti
from cvai.cli.sax_image import stack_of
from cvai.domain.anatomy import Structure
from cvai.domain.findings import Finding
from cvai.domain.phases import key_phases
from cvai.domain.ventricles.outline import outline_findings
from cvai.domain.ventricles.short_axis import short_axis_findings
from cvai.domain.volumes import volume_curve_ml
from cvai.models.card import load_card
from cvai.models.coronary import CoronarySegmenter
from cvai.models.device import DeviceModel
from cvai.models.echo import EchoSegmenter
from cvai.models.folders import model_folder
from cvai.models.lge import LgeSegmenter
from cvai.models.sax import SaxSegmenter
from cvai.ops.logs import log_to_stderr


def segment(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN", help="NIfTI (x, y, z[, t]); of ultrasound (x, y[, t]), or PNG; of angiograms PNG."
        ),
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
    Coronary angiograms (coronary), PNG: 1 to 25, SYNTAX segments 1 2 3 4 5 6 7 8 9 9a 10 10a 11 12 12a 13
    14 14a 15 16 16a 16b 16c 12b 14b, 0 background.

    Late enhancement (lge): 1 LV cavity, 2 healthy myocardium, 3 infarct, 4 no-reflow, 0 background. PNG of
    one short-axis slice, or NIfTI (x, y[, z]); pixel size and proportions are not needed.

    What makes labels doubtful is printed beside them. Exit status: 0 labelled, 3 refused, 1 failed, 2 usage.

    \b
    Example: cvai segment patient_frame01.nii.gz labels.nii.gz
             cvai segment four_chamber.png labels.png --model echo --spacing 0.67,0.81
             cvai segment angiogram.png labels.png --model coronary
             cvai segment slice.png labels.png --model lge
    """
    log_to_stderr()
    folder = model_folder(model)
    echo = DeviceModel(partial(EchoSegmenter.load, folder, threads), "auto")
    lge = DeviceModel(partial(LgeSegmenter.load, folder, threads), "auto")
    spacing_mm = None if spacing is None else parsed_spacing_mm(spacing)
    view = load_card(folder).view
    if view == "sax_cine":
        image = read_nifti(source)
        stack = stack_of(image)
        require_writable(target, source, NIFTI_ENDINGS)
        sax = DeviceModel(partial(SaxSegmenter.load, folder, threads), "auto")
        segmentation = sax.use(lambda segmenter: segmenter.segment(stack))
        phases = key_phases(volume_curve_ml(segmentation, Structure.LV_CAVITY))
        _warn((*outline_findings(segmentation, phases), *short_axis_findings(segmentation, phases)))
        _save(segmentation.labels.transpose(3, 2, 1, 0), image, target)
    elif view == "coronary":
        angiogram = read_angiogram(source)
        require_writable(target, source, PNG_ENDINGS)
        coronary = DeviceModel(partial(CoronarySegmenter.load, folder, threads), "auto")
        segments = coronary.use(lambda segmenter: segmenter.maps(angiogram).labels)
        write_whole(target, partial(write_png, segments, spacing_mm))
    elif view == "lge" and source.suffix.lower() == ".png":
        slices = read_slice(source)
        require_writable(target, source, PNG_ENDINGS)
        labels = lge.use(lambda segmenter: segmenter.segment(slices)).labels
        write_whole(target, partial(write_png, labels[0], spacing_mm))
    elif view == "lge":
        image = read_nifti(source)
        slices = slices_of_nifti(image)
        require_writable(target, source, NIFTI_ENDINGS)
        labels = lge.use(lambda segmenter: segmenter.segment(slices)).labels
        _save(labels.transpose(2, 1, 0), image, target)
    elif source.suffix.lower() == ".png":
        frame = read_png(source)
        require_writable(target, source, PNG_ENDINGS)
        labels = frame.as_stored(echo.use(lambda segmenter: segmenter.segment(frame.loop)).labels)
        write_whole(target, partial(write_png, labels[0], spacing_mm))
    else:
        image = read_nifti(source)
        frames = frames_of_nifti(image)
        require_writable(target, source, NIFTI_ENDINGS)
        labels = frames.as_stored(echo.use(lambda segmenter: segmenter.segment(frames.loop)).labels)
        _save(labels.transpose(1, 2, 0), image, target)
    typer.echo(target)


def _save(labels: NDArray[np.uint8], image: NiftiImage, target: Path) -> None:
    on_grid = labels.reshape(image.shape)
    image.require_present(on_grid > 0)
    labelled = image.with_labels(on_grid)
    write_whole(target, partial(nibabel.save, labelled))


def _warn(findings: Sequence[Finding]) -> None:
    """What makes the labels doubtful, beside them: they are written all the same."""
    for finding in findings:
        typer.echo(f"{finding.code}: {finding.message}", err=True)
