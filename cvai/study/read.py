"""A file or a folder of files becomes studies of typed headers; pixels stay on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from pydicom import Dataset, FileDataset, dcmread
from pydicom.errors import InvalidDicomError

from cvai.errors import ConfigurationInvalid, FileRefused
from cvai.study.deflated import require_bounded
from cvai.study.frames import holds_images, holds_report, planes_of
from cvai.study.header import PARSE_ERRORS, UID_PATTERN, decode_all, parse, uid, whole_number
from cvai.study.integrity import pixel_data_defect
from cvai.study.patient import StatedPatient, stated_patients
from cvai.study.tolerance import tolerating_values
from cvai.study.unpack import ZipLimits, is_ignored, unpacked
from cvai.study.values import Document, ImagePlane, Series, Study


@dataclass(frozen=True, slots=True, eq=False)
class ReadOutcome:
    """What a source holds.

    Args:
        studies: every study found, ordered by StudyInstanceUID.
        unreadable: files that could not be read and belong to no known study.
    """

    studies: tuple[Study, ...]
    unreadable: tuple[FileRefused, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Instance:
    """One readable header, with what could be made of it."""

    path: Path
    header: FileDataset
    planes: tuple[ImagePlane, ...]
    refusal: FileRefused | None

    def refused(self, refusal: FileRefused) -> _Instance:
        planes = tuple(replace(plane, defect=refusal) for plane in self.planes)
        return replace(self, planes=planes, refusal=refusal)


@contextmanager
def open_studies(source: Path, limits: ZipLimits | None = None) -> Iterator[ReadOutcome]:
    """Studies of a file, a folder or a zip; those of a zip can be used until the context ends.

    Raises:
        ConfigurationInvalid: ``source_not_found``.
        FileRefused: the zip itself cannot be unpacked, see ``unpacked``.
    """
    with unpacked(source, limits) as folder:
        yield read_studies(folder)


def read_studies(source: Path) -> ReadOutcome:
    """Read the headers of a DICOM file, or of all files below a folder.

    Nothing depends on names or order of files. A bad file never stops the others: it is told of in
    ``ReadOutcome.unreadable``, or in ``Study.unreadable`` where its header still says which study it is of.
    An image whose header can be read but whose pixels cannot keeps its place in its series, with
    ``ImagePlane.defect`` set: left out silently it would be a hole in the cine.

    Args:
        source: a file or a folder; hidden files and DICOMDIR are left out. For zips see ``open_studies``.

    Raises:
        ConfigurationInvalid: ``source_not_found``.
    """
    paths = _files(source)
    instances: list[_Instance] = []
    unreadable: list[FileRefused] = []
    with tolerating_values():
        for ordinal, path in enumerate(paths, start=1):
            try:
                instances.append(_read_instance(path, f"File {ordinal} of {len(paths)}"))
            except FileRefused as refusal:
                unreadable.append(refusal)
        unique = _grouped(_without_copies(instances), "StudyInstanceUID")
        patients = {
            name: _patients(copies) for name, copies in _grouped(instances, "StudyInstanceUID").items()
        }
        studies = tuple(_study(name, unique[name], patients[name]) for name in sorted(unique))
    return ReadOutcome(studies, tuple(unreadable))


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise ConfigurationInvalid(
            "source_not_found", "The source is neither a file nor a folder.", "Check it."
        )
    return sorted(
        path
        for path in source.rglob("*")
        if path.is_file() and not is_ignored(PurePosixPath(path.relative_to(source).as_posix()))
    )


def _read_instance(path: Path, label: str) -> _Instance:
    """``label`` stands for the file in messages: its name may be a patient's name."""
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise FileRefused("empty_file", f"{label} is empty.", "Send it again.")
            file.seek(0)
            require_bounded(file)
            header = parse(file)
            decode_all(header)
            _check_identity(header, label)
            return _instance(path, file, header)
    except InvalidDicomError as error:
        raise FileRefused(
            "not_dicom", f"{label} is not a DICOM file.", "Hand in DICOM files as the scanner stores them."
        ) from error
    except (*PARSE_ERRORS, OSError) as error:
        raise FileRefused(
            "unreadable_header",
            f"The DICOM header of {label[0].lower()}{label[1:]} is damaged ({type(error).__name__}).",
            "Send it again from the scanner or archive.",
        ) from error


def _check_identity(header: FileDataset, label: str) -> None:
    for keyword in ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        stated = uid(header, keyword)
        if not stated:
            raise FileRefused(
                "identity_missing",
                f"{label} states no {keyword}.",
                "Send it again from the scanner or archive; it may have been cut off.",
            )
        if len(stated) > 64 or not UID_PATTERN.fullmatch(stated):
            raise FileRefused(
                "identity_invalid",
                f"{label} states a {keyword} that is not numbers between points, 64 characters at most.",
                "Send it again from the scanner or archive.",
            )


def _instance(path: Path, file: BinaryIO, header: FileDataset) -> _Instance:
    if not holds_images(header):
        return _Instance(path, header, (), None)
    defect = pixel_data_defect(file, header)
    try:
        return _Instance(path, header, planes_of(header, path, defect), defect)
    except FileRefused as refusal:
        return _Instance(path, header, (), defect or refusal)


def _without_copies(instances: list[_Instance]) -> list[_Instance]:
    """Every SOP instance once; two different files under one SOP Instance UID are both doubtful."""
    unique: dict[str, _Instance] = {}
    for instance in instances:
        sop_uid = uid(instance.header, "SOPInstanceUID")
        known = unique.setdefault(sop_uid, instance)
        if known is not instance and not _is_same_instance(known.path, instance.path):
            unique[sop_uid] = known.refused(
                FileRefused(
                    "conflicting_copies",
                    f"Two different files carry SOP Instance UID {sop_uid}.",
                    "Find out which one is right and hand in only that.",
                )
            )
    return list(unique.values())


def _is_same_instance(first: Path, second: Path) -> bool:
    """Whether two files hold the same data set; the file meta information around it may differ."""
    return first.read_bytes() == second.read_bytes() or bool(dcmread(first) == dcmread(second))


def _grouped(instances: list[_Instance], keyword: str) -> dict[str, list[_Instance]]:
    groups: dict[str, list[_Instance]] = defaultdict(list)
    for instance in instances:
        groups[uid(instance.header, keyword)].append(instance)
    return groups


def _patients(instances: list[_Instance]) -> tuple[StatedPatient, ...]:
    """Whom the objects name, copies under one SOP Instance UID included."""
    return stated_patients(instance.header for instance in instances)


def _study(study_uid: str, instances: list[_Instance], patients: tuple[StatedPatient, ...]) -> Study:
    series = [
        _series(series_uid, group) for series_uid, group in _grouped(instances, "SeriesInstanceUID").items()
    ]
    series.sort(key=lambda s: (s.series_number is None, s.series_number or 0, s.series_uid))
    refusals = [i.refusal for i in sorted(instances, key=_order) if i.refusal is not None]
    documents = [_document(i.header) for i in instances if holds_report(i.header)]
    documents.sort(key=lambda d: d.sop_instance_uid)
    return Study(study_uid, tuple(series), tuple(refusals), tuple(documents), patients)


def _document(header: Dataset) -> Document:
    return Document(
        series_uid=uid(header, "SeriesInstanceUID"),
        sop_class_uid=uid(header, "SOPClassUID"),
        sop_instance_uid=uid(header, "SOPInstanceUID"),
        header=header,
    )


def _series(series_uid: str, instances: list[_Instance]) -> Series:
    instances = sorted(instances, key=_order)
    first = instances[0].header
    return Series(
        series_uid=series_uid,
        modality=str(first.get("Modality") or ""),
        description=str(first.get("SeriesDescription") or ""),
        series_number=whole_number(first, "SeriesNumber"),
        planes=tuple(plane for instance in instances for plane in instance.planes),
    )


def _order(instance: _Instance) -> tuple[bool, int, str]:
    number = whole_number(instance.header, "InstanceNumber")
    return number is None, number or 0, uid(instance.header, "SOPInstanceUID")
