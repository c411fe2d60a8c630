"""``cvai phantom``: a synthetic short-axis cine or two apical loops with known volumes, as a DICOM study."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.domain.echo.function import Volumes
from cvai.phantom.cine_sax.study import DICOM_FOLDER, TRUTH_FILE, write_phantom_study
from cvai.phantom.cine_sax.truth import PhantomTruth, VentricleVolumes
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import EchoTruth
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

Truth = PhantomTruth | EchoTruth


class Modality(StrEnum):
    """What a phantom is imaged by."""

    MR = "mr"
    US = "us"


def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write dicom/ and truth.json into.")],
    *,
    ef: Annotated[float, typer.Option(help="LV ejection fraction in percent.")] = 55.0,
    edv: Annotated[
        float | None, typer.Option(help="LV end-diastolic volume in mL; drawn if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another patient.")] = 0,
    modality: Annotated[
        Modality, typer.Option(help="A short-axis cine, or two apical ultrasound loops.")
    ] = Modality.MR,
    slices: Annotated[
        int | None, typer.Option(help="Slices of a cine; as many as the heart needs if not given.")
    ] = None,
    phases: Annotated[int, typer.Option(help="Phases of the heartbeat of a cine.")] = 25,
    frames: Annotated[int, typer.Option(help="Frames of each ultrasound loop.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print truth.json.")] = False,
) -> None:
    """Write a synthetic cine MR or ultrasound study whose volumes are known.

    The same options write the same bytes.

    \b
    Example: cvai phantom phantom --ef 35 --seed 7
    """
    heart = PhantomHeart.drawn(seed, ef, edv)
    truth: Truth
    if modality is Modality.US:
        truth = write_echo_phantom_study(out, heart, LoopAcquisition(n_frames=frames, seed=seed))
    else:
        acquisition = PhantomAcquisition(n_slices=slices, n_phases=phases, seed=seed)
        truth = write_phantom_study(out, heart, acquisition)
    if as_json:
        typer.echo(json.dumps(truth.to_json(), indent=2))
        return
    console = Console()
    console.print(_truth_table(truth))
    console.print(f"  images  {out / DICOM_FOLDER}", highlight=False, soft_wrap=True)
    console.print(f"  truth   {out / TRUTH_FILE}", highlight=False, soft_wrap=True)


def _truth_table(truth: Truth) -> Table:
    table = Table(title="True volumes", title_justify="left")
    table.add_column("ventricle")
    for column in ("EDV mL", "ESV mL", "EF %"):
        table.add_column(column, justify="right")
    known: tuple[tuple[str, Volumes | VentricleVolumes], ...]
    if isinstance(truth, EchoTruth):
        known = (("left", truth.continuous), ("left, by discs of one height", truth.by_discs))
    else:
        known = (("left", truth.lv), ("right", truth.rv))
    for name, volumes in known:
        table.add_row(name, *(f"{v:.1f}" for v in (volumes.edv_ml, volumes.esv_ml, volumes.ef_percent)))
    return table
