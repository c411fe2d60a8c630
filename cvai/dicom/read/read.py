"""A file or a folder of files becomes studies of typed headers; pixels stay on disk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pydicom import Dataset, FileDataset
from pydicom.errors import InvalidDicomError

from cvai.dicom.read.faults import byte_errors, disk_faults
from cvai.dicom.read.files.dicomdir import read_directory
from cvai.dicom.read.files.integrity import pixel_data_defect
from cvai.dicom.read.files.members import UnpackLimits
from cvai.dicom.read.files.neighbours import Neighbours
from cvai.dicom.read.files.unpack import unpacked
from cvai.dicom.read.files.walk import files_below
from cvai.dicom.read.header.attributes import (
    PARSE_ERRORS,
    UID_PATTERN,
    decode_all,
    parse,
    parse_identity,
    parse_whole,
    uid,
    whole_number,
)
from cvai.dicom.read.header.encoding import HEAD_BYTES
from cvai.dicom.read.header.tolerance import tolerating_values
from cvai.dicom.read.kinds import is_named_like_an_image, kind_of, may_be_an_image
from cvai.dicom.read.modality import modality_of
from cvai.dicom.read.patient import StatedPatient, is_own_result, patient_of, stated_patients
from cvai.dicom.read.pixels.frames import holds_images, holds_report, may_hold_images, planes_of
from cvai.dicom.read.values import Document, ImagePlane, LostFile, OwnResult, Series, Study
from cvai.domain.message import Message, say
from cvai.errors import ConfigurationInvalid, FileRefused


@dataclass(frozen=True, slots=True, eq=False)
class ReadOutcome:
    """What a source holds.

    Args:
        studies: every study found, ordered by StudyInstanceUID.
        unreadable: files that could not be read and do not say which study they are of. Those that may be
            damaged images stand also in ``Study.lost`` of every study that they may be of.
    """

    studies: tuple[Study, ...]
    unreadable: tuple[FileRefused, ...]

    @property
    def no_images(self) -> tuple[FileRefused, ...]:
        """Those of ``unreadable`` that are no images of any study found, such as a viewer on a CD."""
        lost = {id(file.refusal) for study in self.studies for file in study.lost}
        return tuple(refusal for refusal in self.unreadable if id(refusal) not in lost)


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


@dataclass(frozen=True, slots=True, eq=False)
class _Unread:
    """A file that could not be read.

    Args:
        path: where it lies, or would.
        file: why, and what could be read of it.
        is_there: whether there are bytes to look at.
        is_identified: whether the UIDs that place an instance are whole.
    """

    path: Path
    file: LostFile
    is_there: bool = True
    is_identified: bool = False

    def may_be_an_image(self, suffixes: frozenset[str]) -> bool:
        """Whether it may be an image, by its class, by its bytes or, where they do not say, by its name."""
        if self.file.header is not None:
            return may_hold_images(self.file.header)
        if not self.is_there:
            return is_named_like_an_image(self.path, suffixes)
        with disk_faults():
            return may_be_an_image(self.path, suffixes)


@dataclass(frozen=True, slots=True)
class _Found:
    """The files of a source.

    ``missing`` is what the source names and does not hold.
    """

    paths: tuple[Path, ...]
    missing: tuple[_Unread, ...] = ()


@contextmanager
def open_studies(source: Path, limits: UnpackLimits | None = None) -> Iterator[ReadOutcome]:
    """Studies of a file, a folder, a DICOMDIR, a zip or a tar; the last two until the context ends.

    Raises:
        ConfigurationInvalid: ``source_not_found``.
        FileRefused: the zip or tar itself cannot be unpacked, see ``unpacked``.
        TemporarilyUnavailable: ``files_unavailable``, the disk failed.
    """
    with unpacked(source, limits) as opened:
        missing = (_Unread(opened.path / "link", LostFile(refusal), False) for refusal in opened.lost)
        yield _read_studies(opened.path, tuple(missing))


def read_studies(source: Path) -> ReadOutcome:
    """Read the headers of a DICOM file, of all files below a folder, or of those a DICOMDIR references.

    Nothing depends on names or order of files. A bad file never stops the others: it is listed in
    ``ReadOutcome.unreadable``, or in ``Study.unreadable`` where its header still says which study it is of.
    An image whose header can be read but whose pixels cannot keeps its place in its series, with
    ``ImagePlane.defect`` set: left out silently it would be a hole in the cine. A file that has no such place
    and may be an image is in ``Study.lost``.

    Args:
        source: a file, a folder or a DICOMDIR; in folders, links are followed, hidden files and DICOMDIRs are
            left out. For zips and tars see ``open_studies``.

    Raises:
        ConfigurationInvalid: ``source_not_found``.
        TemporarilyUnavailable: ``files_unavailable``, the disk failed.
    """
    return _read_studies(source, ())


def _read_studies(source: Path, missing: tuple[_Unread, ...]) -> ReadOutcome:
    with tolerating_values():
        with disk_faults():
            found = _found(source)
        read = [
            _read(path, say("File {ordinal} of {n_files}", ordinal=ordinal, n_files=len(found.paths)))
            for ordinal, path in enumerate(found.paths, start=1)
        ]
        instances = [one for one in read if isinstance(one, _Instance)]
        unread = [one for one in read if isinstance(one, _Unread)]
        return _outcome(instances, [*unread, *found.missing, *missing])


def _found(source: Path) -> _Found:
    if source.is_file():
        directory = read_directory(source)
        if directory is None:
            return _Found((source,))
        return _Found(directory.files, tuple(_Unread(source, lost, False) for lost in directory.lost))
    if not source.is_dir():
        raise ConfigurationInvalid(
            "source_not_found", say("The source is neither a file nor a folder."), say("Check it.")
        )
    listing = files_below(source)
    return _Found(listing.files, tuple(_behind(link) for link in listing.dangling))


def _behind(link: Path) -> _Unread:
    refusal = FileRefused(
        "file_missing", say("A link leads to a file that is not there."), say("Hand in the file itself.")
    )
    return _Unread(link, LostFile(refusal), is_there=False)


def _read(path: Path, label: Message) -> _Instance | _Unread:
    """``label`` stands for the file in messages: its name may be a patient's name."""
    with disk_faults(), path.open("rb") as file:
        try:
            with byte_errors():
                return _read_from(file, path, label)
        except InvalidDicomError:
            file.seek(0)
            return _Unread(path, LostFile(_not_dicom(file.read(HEAD_BYTES), label)))
        except FileRefused as refusal:
            return _in_part(path, file, refusal)
        except PARSE_ERRORS as error:
            return _in_part(path, file, _damaged(error, label))


def _read_from(file: BinaryIO, path: Path, label: Message) -> _Instance | _Unread:
    header = parse(file)
    decode_all(header)
    refusal = _identity_defect(header, label)
    if refusal is not None:
        return _Unread(path, LostFile(refusal, _classified(header)))
    return _instance(path, file, header)


def _in_part(path: Path, file: BinaryIO, refusal: FileRefused) -> _Unread:
    """A damaged file with the elements before its damage, if they are enough to place the instance."""
    file.seek(0)
    try:
        header = parse_identity(file)
        decode_all(header)
    except (InvalidDicomError, FileRefused, *PARSE_ERRORS):
        return _Unread(path, LostFile(refusal))
    is_identified = _identity_defect(header, "") is None
    return _Unread(path, LostFile(refusal, _classified(header)), is_identified=is_identified)


def _classified(header: FileDataset) -> Dataset | None:
    """A header with its SOPClassUID, which file meta information may state alone; None without one."""
    if not uid(header, "SOPClassUID"):
        # A new element: that of a damaged header may have any value representation.
        header.add_new("SOPClassUID", "UI", uid(header.file_meta, "MediaStorageSOPClassUID"))
    return header if uid(header, "SOPClassUID") else None


def _not_dicom(head: bytes, label: str) -> FileRefused:
    if not head:
        return FileRefused("empty_file", say("{label} is empty.", label=label), say("Send it again."))
    kind = kind_of(head)
    return FileRefused(
        "not_dicom",
        say(
            "{label} is not a DICOM file{other}.",
            label=label,
            other=say(" but {kind}", kind=kind) if kind else "",
        ),
        say("Hand in DICOM files as the scanner stores them."),
    )


def _damaged(error: Exception, label: Message) -> FileRefused:
    return FileRefused(
        "unreadable_header",
        say(
            "The DICOM header of {file} is damaged ({kind}).",
            file=say("file {ordinal} of {n_files}", **label.values),
            kind=type(error).__name__,
        ),
        say("Send it again from the scanner or archive."),
    )


def _identity_defect(header: Dataset, label: str) -> FileRefused | None:
    for keyword in ("SOPClassUID", "StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        stated = uid(header, keyword)
        if not stated:
            return FileRefused(
                "identity_missing",
                say("{label} states no {keyword}.", label=label, keyword=keyword),
                say("Send it again from the scanner or archive; it may have been cut off."),
            )
        if len(stated) > 64 or not UID_PATTERN.fullmatch(stated):
            return FileRefused(
                "identity_invalid",
                say(
                    "{label} states a {keyword} that is not numbers between points, 64 characters at most.",
                    label=label,
                    keyword=keyword,
                ),
                say("Send it again from the scanner or archive."),
            )
    return None


def _instance(path: Path, file: BinaryIO, header: FileDataset) -> _Instance:
    if not holds_images(header) or is_own_result(header):
        return _Instance(path, header, (), None)
    defect = pixel_data_defect(file, header)
    try:
        return _Instance(path, header, planes_of(header, path, defect), defect)
    except FileRefused as refusal:
        return _Instance(path, header, (), defect or refusal)


def _outcome(instances: Sequence[_Instance], unread: Iterable[_Unread]) -> ReadOutcome:
    by_study = _grouped(_without_copies(instances), "StudyInstanceUID")
    stated, doubtful = defaultdict[str, list[LostFile]](list), defaultdict[str, list[LostFile]](list)
    unreadable = []
    suffixes = frozenset(instance.path.suffix.lower() for instance in instances)
    neighbours = Neighbours((i.path, uid(i.header, "StudyInstanceUID")) for i in instances)
    for one in unread:
        if study_uid := _stated_study(one, by_study):
            stated[study_uid].append(one.file)
            continue
        unreadable.append(one.file.refusal)
        if one.may_be_an_image(suffixes):
            for study_uid in neighbours.of(one.path):
                doubtful[study_uid].append(one.file)
    copies = _grouped(instances, "StudyInstanceUID")
    studies = tuple(
        _study(
            study_uid,
            by_study.get(study_uid, []),
            stated[study_uid],
            doubtful[study_uid],
            _patients(copies.get(study_uid, []), stated[study_uid]),
        )
        for study_uid in sorted({*by_study, *stated})
    )
    return ReadOutcome(studies, tuple(unreadable))


def _stated_study(unread: _Unread, known: Container[str]) -> str:
    """StudyInstanceUID of a file that could not be read; empty where it states none that can be relied on.

    A UID that breaks off looks like another, so one that no other file has needs a whole identity around it.
    """
    if unread.file.header is None:
        return ""
    study_uid = uid(unread.file.header, "StudyInstanceUID")
    return study_uid if unread.is_identified or study_uid in known else ""


def _without_copies(instances: Sequence[_Instance]) -> list[_Instance]:
    """Every SOP instance once; two different files under one SOP Instance UID are both doubtful."""
    unique: dict[str, _Instance] = {}
    for instance in instances:
        sop_uid = uid(instance.header, "SOPInstanceUID")
        known = unique.setdefault(sop_uid, instance)
        if known is not instance and not _is_same_instance(known.path, instance.path):
            unique[sop_uid] = known.refused(
                FileRefused(
                    "conflicting_copies",
                    say("Two different files carry SOP Instance UID {sop_uid}.", sop_uid=sop_uid),
                    say("Find out which one is right and hand in only that."),
                )
            )
    return list(unique.values())


def _is_same_instance(first: Path, second: Path) -> bool:
    """Whether two files hold the same data set; the file meta information around it may differ."""
    return first.read_bytes() == second.read_bytes() or _whole(first) == _whole(second)


def _whole(path: Path) -> Dataset:
    with path.open("rb") as file:
        return parse_whole(file)


def _grouped(instances: Iterable[_Instance], keyword: str) -> dict[str, list[_Instance]]:
    groups: dict[str, list[_Instance]] = defaultdict(list)
    for instance in instances:
        groups[uid(instance.header, keyword)].append(instance)
    return groups


def _patients(instances: Sequence[_Instance], stated: Sequence[LostFile]) -> tuple[StatedPatient, ...]:
    """Whom the objects name, damaged ones and copies under one SOP Instance UID included."""
    damaged = [file.header for file in stated if file.header is not None]
    return stated_patients((*(instance.header for instance in instances), *damaged))


def _study(
    study_uid: str,
    instances: Sequence[_Instance],
    stated: Sequence[LostFile],
    doubtful: Sequence[LostFile],
    patients: tuple[StatedPatient, ...],
) -> Study:
    """``stated`` files say that they are of the study, of ``doubtful`` ones nothing says otherwise."""
    instances = sorted(instances, key=_order)
    documents = [_document(i.header) for i in instances if holds_report(i.header)]
    documents.sort(key=lambda d: d.sop_instance_uid)
    results = [_own_result(i.header, i.path) for i in instances if is_own_result(i.header)]
    results.sort(key=lambda r: r.sop_instance_uid)
    unplaced = [LostFile(i.refusal, i.header) for i in instances if i.refusal is not None and not i.planes]
    return Study(
        study_uid,
        _all_series(instances),
        (*(i.refusal for i in instances if i.refusal is not None), *(file.refusal for file in stated)),
        tuple(documents),
        patients,
        (*unplaced, *stated, *doubtful),
        tuple(results),
    )


def _own_result(header: Dataset, path: Path) -> OwnResult:
    return OwnResult(
        series_uid=uid(header, "SeriesInstanceUID"),
        sop_class_uid=uid(header, "SOPClassUID"),
        sop_instance_uid=uid(header, "SOPInstanceUID"),
        patient=patient_of(header),
        path=path,
    )


def _all_series(instances: Sequence[_Instance]) -> tuple[Series, ...]:
    """Instances by series and modality: a series may hold what is no image of its kind."""
    groups = defaultdict[tuple[str, str], list[_Instance]](list)
    for instance in instances:
        groups[uid(instance.header, "SeriesInstanceUID"), modality_of(instance.header)].append(instance)
    series = [_series(*key, group) for key, group in groups.items()]
    return tuple(sorted(series, key=_series_order))


def _series_order(series: Series) -> tuple[bool, int, str, str]:
    number = series.series_number
    return number is None, number or 0, series.series_uid, series.modality


def _document(header: Dataset) -> Document:
    return Document(
        series_uid=uid(header, "SeriesInstanceUID"),
        sop_class_uid=uid(header, "SOPClassUID"),
        sop_instance_uid=uid(header, "SOPInstanceUID"),
        header=header,
    )


def _series(series_uid: str, modality: str, instances: Sequence[_Instance]) -> Series:
    first = instances[0].header
    return Series(
        series_uid=series_uid,
        modality=modality,
        description=str(first.get("SeriesDescription") or ""),
        series_number=whole_number(first, "SeriesNumber"),
        planes=tuple(plane for instance in instances for plane in instance.planes),
    )


def _order(instance: _Instance) -> tuple[bool, int, str]:
    number = whole_number(instance.header, "InstanceNumber")
    return number is None, number or 0, uid(instance.header, "SOPInstanceUID")
