"""``cvai phantom``: a synthetic study of known volumes, infarct or stenosis, as DICOM."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cvai.domain.echo.function import Volumes
from cvai.phantom.cine_sax.study import DICOM_FOLDER, TRUTH_FILE, write_phantom_study
from cvai.phantom.cine_sax.truth import PhantomTruth, VentricleVolumes
from cvai.phantom.coronary.run import AngiographyTruth, RunParameters, write_angiography_phantom_study
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import EchoTruth
from cvai.phantom.echo_apical.study import write_echo_phantom_study
from cvai.phantom.late_enhancement.phantom import EnhancementTruth
from cvai.phantom.late_enhancement.study import write_enhancement_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

Truth = PhantomTruth | EnhancementTruth | EchoTruth | AngiographyTruth


class Modality(StrEnum):
    """What a phantom is imaged by."""

    MR = "mr"
    MR_LGE = "mr-lge"
    US = "us"
    XA = "xa"


MODALITIES = (
    "A short-axis cine with two of the long axis; a cine and late enhancement of an infarct; two apical "
    "ultrasound loops; or a run of a coronary artery with a stenosis."
)


@dataclass(frozen=True, slots=True)
class Imaging:
    """How a phantom is imaged.

    Args:
        modality: by what.
        seed: another is another patient.
        slices: of a cine; as many as the heart needs if None.
        phases: of the heartbeat of a cine.
        frames: of each loop or run.
    """

    modality: Modality
    seed: int = 0
    slices: int | None = None
    phases: int = 25
    frames: int = 32


def write_study(folder: Path, heart: PhantomHeart, imaging: Imaging) -> Truth:
    """Write a phantom's ``dicom/*.dcm`` and ``truth.json`` into ``folder``; a coronary tree has no heart."""
    if imaging.modality is Modality.US:
        return write_echo_phantom_study(
            folder, heart, LoopAcquisition(n_frames=imaging.frames, seed=imaging.seed)
        )
    if imaging.modality is Modality.XA:
        run = RunParameters(n_frames=imaging.frames, seed=imaging.seed)
        return write_angiography_phantom_study(folder, (run,))
    acquisition = PhantomAcquisition(n_slices=imaging.slices, n_phases=imaging.phases, seed=imaging.seed)
    if imaging.modality is Modality.MR_LGE:
        return write_enhancement_study(folder, None, acquisition, heart=heart, with_cine=True)
    return write_phantom_study(folder, heart, acquisition)


def phantom(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder to write dicom/ and truth.json into.")],
    *,
    ef: Annotated[float, typer.Option(help="LV ejection fraction in percent.")] = 55.0,
    edv: Annotated[
        float | None, typer.Option(help="LV end-diastolic volume in mL; drawn if not given.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another patient.")] = 0,
    modality: Annotated[Modality, typer.Option(help=MODALITIES)] = Modality.MR,
    slices: Annotated[
        int | None, typer.Option(help="Slices of a cine; as many as the heart needs if not given.")
    ] = None,
    phases: Annotated[int, typer.Option(help="Phases of the heartbeat of a cine.")] = 25,
    frames: Annotated[int, typer.Option(help="Frames of each ultrasound loop or angiography run.")] = 32,
    as_json: Annotated[bool, typer.Option("--json", help="Print truth.json.")] = False,
) -> None:
    """Write a synthetic MR, ultrasound or angiography study whose measurements are known.

    The same options write the same bytes.

    \b
    Example: cvai phantom phantom --ef 35 --seed 7
    """
    heart = PhantomHeart.drawn(seed, ef, edv)
    truth = write_study(out, heart, Imaging(modality, seed, slices, phases, frames))
    if as_json:
        typer.echo(json.dumps(truth.to_json(), indent=2))
        return
    console = Console()
    for table in _truth_tables(truth):
        console.print(table)
    console.print(f"  images  {out / DICOM_FOLDER}", highlight=False, soft_wrap=True)
    console.print(f"  truth   {out / TRUTH_FILE}", highlight=False, soft_wrap=True)


def _truth_tables(truth: Truth) -> tuple[Table, ...]:
    if isinstance(truth, EnhancementTruth):
        return _volumes_table(truth.cine), _numbers_table(truth)
    if isinstance(truth, AngiographyTruth):
        return (_numbers_table(truth),)
    return (_volumes_table(truth),)


def _numbers_table(truth: EnhancementTruth | AngiographyTruth) -> Table:
    table = Table("measurement", "true", title="True measurements", title_justify="left")
    for name, value in truth.to_json()["measurements"].items():
        table.add_row(name, f"{value:.1f}")
    return table


def _volumes_table(truth: PhantomTruth | EchoTruth) -> Table:
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
