"""A study as reading makes it of data sets, without a disk in between: selection looks at headers alone.

Pixels are written when a stack is assembled, and of that stack alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydicom import Dataset

from cvai.dicom.read.cine.assemble import assemble_cine
from cvai.dicom.read.cine.cine_finder import CineSelection, select_sax_cine
from cvai.dicom.read.header.attributes import whole_number
from cvai.dicom.read.pixels.frames import holds_images, planes_of
from cvai.dicom.read.values import AssembledCine, Series, Study
from tests.dicom.read.dicom_files import write_one


def study_of(datasets: Sequence[Dataset], files: Mapping[str, Path] | None = None) -> Study:
    """The study of these instances, in this order within each series.

    Args:
        datasets: of one study.
        files: by SOPInstanceUID, where pixels are asked for.
    """
    by_series: dict[str, list[Dataset]] = defaultdict(list)
    for ds in datasets:
        by_series[str(ds.SeriesInstanceUID)].append(ds)
    series = [_series(uid, group, files or {}) for uid, group in by_series.items()]
    series.sort(key=lambda s: (s.series_number or 0, s.series_uid))
    return Study(str(datasets[0].StudyInstanceUID), tuple(series))


def _series(uid: str, datasets: Sequence[Dataset], files: Mapping[str, Path]) -> Series:
    first = datasets[0]
    return Series(
        series_uid=uid,
        modality=str(first.get("Modality") or ""),
        description=str(first.get("SeriesDescription") or ""),
        series_number=whole_number(first, "SeriesNumber"),
        planes=tuple(
            plane
            for ds in datasets
            if holds_images(ds)  # type: ignore[arg-type]
            for plane in planes_of(ds, files.get(str(ds.SOPInstanceUID), Path("absent")), None)  # type: ignore[arg-type]
        ),
    )


def selected(folder: Path, datasets: Sequence[Dataset]) -> CineSelection:
    """The cine that is chosen of these instances; its files are in the folder."""
    files = {str(ds.SOPInstanceUID): folder / f"{n}.dcm" for n, ds in enumerate(datasets)}
    selection = select_sax_cine(study_of(datasets, files))
    chosen = {plane.sop_instance_uid for plane in selection.planes}
    for ds in datasets:
        path = files[str(ds.SOPInstanceUID)]
        if str(ds.SOPInstanceUID) in chosen and not path.exists():
            write_one(path, ds)
    return selection


def assembled(folder: Path, datasets: Sequence[Dataset]) -> AssembledCine:
    """The cine that is chosen and assembled of these instances."""
    return assemble_cine(selected(folder, datasets))
