"""A cardiac MR examination of some 300 series, as scanners and workstations leave it; pixels mean nothing.

Every kind of series that hospitals store beside the short-axis cine is there, as its headers describe it. The
same arguments make the same data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydicom import Dataset
from pydicom.uid import (
    BasicTextSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from tests.dicom.read.dicom_files import (
    SHORT_AXIS,
    TRANSVERSE,
    SeriesSpec,
    Vector,
    image,
    images,
    orthonormal,
)

STUDY = "1.2.826.0.1.3680043.10.999.300"
REST, AGAIN = "short-axis cine at rest", "short-axis cine acquired again"

WHOLE_STACKS = (
    "4D flow",
    "late enhancement of many phases",
    "tagging of the whole heart",
    AGAIN,
    "cine after contrast",
    "cine under stress",
    "annotated copy of the cine",
    "reformatted cine",
)
"""Cines of the whole heart beside the one at rest: how and when they were acquired tells them apart."""

_SAX = SeriesSpec(
    study_uid=STUDY,
    n_slices=9,
    n_phases=12,
    rows=8,
    columns=9,
    spacing_mm=(10.0, 10.0),
    step_ms=72.0,
    origin_mm=(-60.0, -260.0, 190.0),
)
"""A field of view of 80 x 90 mm around the heart."""

_CENTRE_MM = np.array([-30.0, -20.0, 20.0])
"""Of the heart, in the patient: where all views cross."""

_LONG_AXIS = np.cross(*orthonormal(SHORT_AXIS))
_CORONAL = ((1.0, 0.0, 0.0), (0.0, 0.0, -1.0))
_SAGITTAL = ((0.0, 1.0, 0.0), (0.0, 0.0, -1.0))
Axes = tuple[Vector, Vector]


@dataclass(frozen=True)
class Member:
    """One series of the examination.

    Args:
        kind: what it is, in words.
        series_uid: its SeriesInstanceUID.
        datasets: its instances.
    """

    kind: str
    series_uid: str
    datasets: tuple[Dataset, ...]


Maker = Callable[["_Scanner"], Iterator[Member]]
_MAKERS: dict[str, Maker] = {}


def _kind(name: str) -> Callable[[Maker], Maker]:
    def note(maker: Maker) -> Maker:
        _MAKERS[name] = maker
        return maker

    return note


def kinds() -> tuple[str, ...]:
    """Every kind of series there is."""
    return tuple(_MAKERS)


def members_of(*names: str, series_a_slice: bool = False) -> list[Member]:
    """The short-axis cine at rest, and every series of these kinds, in order of acquisition.

    Args:
        names: kinds beside the cine at rest.
        series_a_slice: whether the cine at rest is stored as a series for each of its slices.
    """
    scanner = _Scanner(series_a_slice)
    return [member for name in _MAKERS if name in (REST, *names) for member in _MAKERS[name](scanner)]


def examination(series_a_slice: bool = False) -> list[Member]:
    """All kinds: some 300 series."""
    return members_of(*kinds(), series_a_slice=series_a_slice)


class _Scanner:
    """Counts series and minutes."""

    def __init__(self, series_a_slice: bool) -> None:
        self.series_a_slice = series_a_slice
        self._number = 0

    def next(self, description: str, **changes: object) -> SeriesSpec:
        """A series that follows the one before, a minute later."""
        self._number += 1
        minute = 9 * 60 + self._number // 3
        attributes = {
            "SeriesDescription": description,
            "ProtocolName": description,
            "AcquisitionTime": f"{minute // 60:02d}{minute % 60:02d}{20 * (self._number % 3):02d}",
            "AcquisitionNumber": 1,
            "MRAcquisitionType": "2D",
            "StudyDate": "20240312",
            "PatientID": "EXAMPLE-300",
            "PatientName": "Example^Long",
            **dict(changes.pop("attributes", {})),  # type: ignore[call-overload]
        }
        return _SAX.but(
            series_uid=f"{STUDY}.{self._number}", series_number=self._number, attributes=attributes, **changes
        )

    def series(self, kind: str, description: str, **changes: object) -> Member:
        """A whole series of MR images."""
        spec = self.next(description, **changes)
        return Member(kind, spec.series_uid, tuple(images(spec)))


def _through_heart(axes: Axes, n_slices: int = 1, gap_mm: float = 10.0) -> dict[str, object]:
    """Where a view lies whose middle slice crosses the heart in the middle of its field of view."""
    row, column = orthonormal(axes)
    corner = _CENTRE_MM - row * 10.0 * (_SAX.columns - 1) / 2 - column * 10.0 * (_SAX.rows - 1) / 2
    corner = corner - np.cross(row, column) * gap_mm * (n_slices - 1) / 2
    x, y, z = (float(v) for v in corner)
    return {"axes": axes, "n_slices": n_slices, "gap_mm": gap_mm, "origin_mm": (x, y, z)}


def _along(angle_deg: float) -> Axes:
    """A long-axis plane: the ventricle's axis runs down the columns."""
    across = orthonormal(SHORT_AXIS)
    angle = np.deg2rad(angle_deg)
    row = np.cos(angle) * across[0] + np.sin(angle) * across[1]
    return tuple(map(float, row)), tuple(map(float, _LONG_AXIS))  # type: ignore[return-value]


def _sax(n_slices: int = 9) -> dict[str, object]:
    return _through_heart(SHORT_AXIS, n_slices)


def _each(member: Member, edit: Callable[[int, Dataset], None]) -> Member:
    for i, ds in enumerate(member.datasets):
        edit(i, ds)
    return member


def _beats_apart(member: Member, seconds: float = 0.9) -> Member:
    """One image a heartbeat, all at the same time after the R wave."""
    phases = _phases(member)

    def edit(i: int, ds: Dataset) -> None:
        n = i % phases
        total = 36_000 + n * seconds
        ds.AcquisitionTime = f"{int(total // 3600):02d}{int(total % 3600 // 60):02d}{total % 60:09.6f}"
        ds.TriggerTime, ds.AcquisitionNumber = "112.5", n + 1

    return _each(member, edit)


def _phases(member: Member) -> int:
    first = member.datasets[0].ImagePositionPatient
    return sum(ds.ImagePositionPatient == first for ds in member.datasets)


def _derived(*image_type: str, **more: object) -> dict[str, object]:
    return {"ImageType": ["DERIVED", *image_type], **more}


_INVERSION = {"ScanningSequence": ["GR", "IR"], "EchoTime": 1.2, "TriggerTime": "650", "InversionTime": "300"}


@_kind("localizer")
def _localizers(scanner: _Scanner) -> Iterator[Member]:
    for n in range(6):
        uid = ""
        views: list[Dataset] = []
        for axes in (TRANSVERSE, _CORONAL, _SAGITTAL):
            spec = scanner.next(
                f"localizer {n}", n_phases=1, attributes={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
                **_through_heart(axes, 3, 25.0),
            )  # fmt: skip
            uid = uid or spec.series_uid
            views += images(spec)
        for ds in views:
            ds.SeriesInstanceUID = uid
        yield Member("localizer", uid, tuple(views))


@_kind("scout that is not marked as one")
def _scouts(scanner: _Scanner) -> Iterator[Member]:
    for name, axes in (("tra", TRANSVERSE), ("cor", _CORONAL), ("sag", _SAGITTAL)):
        yield scanner.series(
            "scout that is not marked as one", f"haste {name}", n_phases=1, **_through_heart(axes, 6)
        )
    for n in range(14):
        yield scanner.series(
            "scout that is not marked as one", f"frequency scout {n}", n_phases=6,
            attributes={"TriggerTime": "300"}, **_through_heart(_along(10 * n)),
        )  # fmt: skip


@_kind("long-axis cine")
def _long_axis(scanner: _Scanner) -> Iterator[Member]:
    for when in ("", " repeat", " free breathing", " late"):
        for name, angle in (("2ch", 90.0), ("3ch", 45.0), ("4ch", 0.0), ("rvot", 120.0), ("lvot", 60.0)):
            yield scanner.series("long-axis cine", f"cine {name}{when}", **_through_heart(_along(angle)))


@_kind("radial long-axis stack")
def _radial(scanner: _Scanner) -> Iterator[Member]:
    for n in range(12):
        yield scanner.series("radial long-axis stack", f"radial {n}", **_through_heart(_along(15.0 * n)))
    planes = [
        ds
        for n in range(6)
        for ds in scanner.series("", "radial stack", **_through_heart(_along(30.0 * n))).datasets
    ]
    for i, ds in enumerate(planes):
        ds.SeriesInstanceUID, ds.InstanceNumber = f"{STUDY}.900", i + 1
    yield Member("radial long-axis stack", f"{STUDY}.900", tuple(planes))


@_kind("single short-axis cine")
def _single_sax(scanner: _Scanner) -> Iterator[Member]:
    for n in range(8):
        yield scanner.series(
            "single short-axis cine", f"cine sax test shot {n}", n_phases=12,
            **_through_heart(SHORT_AXIS),
        )  # fmt: skip


@_kind(REST)
def _rest(scanner: _Scanner) -> Iterator[Member]:
    spec = scanner.next("cine sax", **_sax())
    if not scanner.series_a_slice:
        yield Member(REST, spec.series_uid, tuple(images(spec)))
        return
    for z in range(spec.n_slices):
        own = scanner.next(f"cine sax {z + 1}", **_sax())
        yield Member(REST, own.series_uid, tuple(image(own, z, t) for t in range(own.n_phases)))


@_kind("perfusion")
def _perfusion(scanner: _Scanner) -> Iterator[Member]:
    for when in ("stress", "rest"):
        sets = {"n_phases": 20, "attributes": {"EchoTime": 1.1, "ScanningSequence": "GR"}}
        yield _beats_apart(scanner.series("perfusion", f"perfusion {when}", **sets, **_sax(3)))
        for z in range(3):
            yield _beats_apart(
                scanner.series("perfusion", f"perfusion {when} {z}", **sets, **_through_heart(SHORT_AXIS))
            )
        moved = _derived("PRIMARY", "M", "MOCO", EchoTime=1.1, ScanningSequence="GR")
        yield _beats_apart(
            scanner.series("perfusion", f"perfusion {when} moco", n_phases=20, attributes=moved, **_sax(3))
        )


@_kind("perfusion map")
def _perfusion_maps(scanner: _Scanner) -> Iterator[Member]:
    for name in ("upslope", "peak", "flow", "time to peak", "upslope rest", "flow rest"):
        yield scanner.series(
            "perfusion map", name, n_phases=1, attributes=_derived("PRIMARY", "PERFUSION"), **_sax(3)
        )


@_kind("flow in one plane")
def _flow(scanner: _Scanner) -> Iterator[Member]:
    types = (["M", "FFE"], ["P", "VELOCITY"], ["MAG", "ND"])
    for name in ("aorta", "pulmonary", "mitral", "tricuspid", "vena cava"):
        for kind in types:
            yield scanner.series(
                "flow in one plane", f"flow {name}", n_phases=12, step_ms=72.0,
                attributes={"ImageType": ["ORIGINAL", "PRIMARY", *kind], "EchoTime": 2.8},
                **_through_heart(TRANSVERSE),
            )  # fmt: skip


@_kind("4D flow")
def _flow_4d(scanner: _Scanner) -> Iterator[Member]:
    for kind in (["M", "ND"], ["P", "VX"], ["P", "VY"], ["P", "VZ"]):
        yield scanner.series(
            "4D flow", "flow 4d sag", n_phases=8, step_ms=107.0,
            attributes={
                "ImageType": ["ORIGINAL", "PRIMARY", *kind], "MRAcquisitionType": "3D", "EchoTime": 2.4,
                "SliceThickness": "3", "FlipAngle": "8",
            },
            **_through_heart(_SAGITTAL, 16, 4.0),
        )  # fmt: skip


@_kind("T1 mapping")
def _t1(scanner: _Scanner) -> Iterator[Member]:
    inversion = {"ScanningSequence": ["GR", "IR"], "EchoTime": 1.1}
    for when in ("native", "post contrast"):
        for z in range(3):
            raw = scanner.series(
                "T1 mapping", f"molli {when} {z}", n_phases=8, attributes=inversion,
                **_through_heart(SHORT_AXIS),
            )  # fmt: skip
            yield _each(
                _beats_apart(raw),
                lambda i, ds: setattr(ds, "InversionTime", f"{120 + 80 * (i % 3) + 900 * (i // 3)}"),
            )
            for name, kind in (
                ("moco", "MOCO"),
                ("t1 map", "T1"),
                ("t1 error", "ERROR"),
                ("t1 colour", "T1"),
            ):
                yield scanner.series(
                    "T1 mapping", f"{name} {when} {z}", n_phases=8 if name == "moco" else 1,
                    attributes=_derived("PRIMARY", "T1 MAP", kind, TriggerTime="640"),
                    **_through_heart(SHORT_AXIS),
                )  # fmt: skip


@_kind("T2 mapping")
def _t2(scanner: _Scanner) -> Iterator[Member]:
    for z in range(3):
        raw = scanner.series("T2 mapping", f"t2 prep {z}", n_phases=3, **_through_heart(SHORT_AXIS))
        yield _beats_apart(raw, 2.7)
        yield scanner.series(
            "T2 mapping", f"t2 map {z}", n_phases=1, attributes=_derived("PRIMARY", "T2 MAP"),
            **_through_heart(SHORT_AXIS),
        )  # fmt: skip
        echoes = scanner.series(
            "T2 mapping", f"t2 star {z}", n_phases=8, attributes={"TriggerTime": "500"},
            **_through_heart(SHORT_AXIS),
        )  # fmt: skip
        yield _each(echoes, lambda i, ds: setattr(ds, "EchoTime", f"{2.2 + 2.1 * i:.1f}"))


@_kind("late enhancement")
def _late(scanner: _Scanner) -> Iterator[Member]:
    for name, kind in (("early", ["M", "ND"]), ("mag", ["M", "ND"]), ("psir", ["M", "PSIR"])):
        types = {**_INVERSION, "ImageType": ["ORIGINAL", "PRIMARY", *kind]}
        yield scanner.series("late enhancement", f"lge {name}", n_phases=1, attributes=types, **_sax())
        for angle in (0.0, 45.0, 90.0):
            yield scanner.series(
                "late enhancement", f"lge {name} {angle:g}", n_phases=1, attributes=types,
                **_through_heart(_along(angle)),
            )  # fmt: skip
        for z in range(9):
            own = scanner.next(f"lge {name} {z}", n_phases=1, attributes=types, **_sax())
            yield Member("late enhancement", own.series_uid, (image(own, z, 0),))
    free = {**_INVERSION, "ImageType": ["ORIGINAL", "PRIMARY", "M", "MOCO"]}
    repeats = scanner.series("late enhancement", "lge free breathing", n_phases=8, attributes=free, **_sax())
    yield _each(_beats_apart(repeats, 1.8), lambda _, ds: setattr(ds, "TriggerTime", "650"))


@_kind("inversion time scout")
def _ti_scout(scanner: _Scanner) -> Iterator[Member]:
    for n in range(3):
        yield scanner.series(
            "inversion time scout", f"ti scout {n}", n_phases=16, step_ms=54.0,
            attributes={"ScanningSequence": ["GR", "IR"]}, **_through_heart(SHORT_AXIS),
        )  # fmt: skip


@_kind("late enhancement of many phases")
def _late_cine(scanner: _Scanner) -> Iterator[Member]:
    types = {**_INVERSION, "ImageType": ["ORIGINAL", "PRIMARY", "M", "PSIR"]}
    del types["TriggerTime"]
    yield scanner.series("late enhancement of many phases", "psir multi phase", attributes=types, **_sax())


@_kind("tagging")
def _tagging(scanner: _Scanner) -> Iterator[Member]:
    attributes = {
        "SequenceName": "*fl2d13t",
        "EchoTime": 4.1,
        "SequenceVariant": ["SP", "OSP"],
        "FlipAngle": "14",
    }
    yield scanner.series(
        "tagging", "grid tagging", n_phases=20, step_ms=40.0, attributes=attributes, **_sax(3)
    )
    for angle in (0.0, 90.0):
        yield scanner.series(
            "tagging", "line tagging", n_phases=20, step_ms=40.0, attributes=attributes,
            **_through_heart(_along(angle)),
        )  # fmt: skip


@_kind("tagging of the whole heart")
def _tagging_whole(scanner: _Scanner) -> Iterator[Member]:
    attributes = {
        "SequenceName": "*fl2d13t_tag",
        "EchoTime": 4.1,
        "SequenceVariant": ["SP", "OSP"],
        "FlipAngle": "14",
    }
    yield scanner.series(
        "tagging of the whole heart", "grid tagging sax", n_phases=14, step_ms=60.0, attributes=attributes,
        **_sax(),
    )  # fmt: skip


@_kind("transverse cine stack")
def _transverse(scanner: _Scanner) -> Iterator[Member]:
    yield scanner.series("transverse cine stack", "cine tra", **_through_heart(TRANSVERSE, 14, 8.0))


@_kind("coronal cine stack")
def _coronal(scanner: _Scanner) -> Iterator[Member]:
    yield scanner.series("coronal cine stack", "cine cor", **_through_heart(_CORONAL, 12, 8.0))


@_kind(AGAIN)
def _again(scanner: _Scanner) -> Iterator[Member]:
    yield scanner.series(AGAIN, "cine sax repeat", **_sax())


@_kind("real-time cine")
def _real_time(scanner: _Scanner) -> Iterator[Member]:
    yield scanner.series(
        "real-time cine", "cine sax realtime free breathing", n_phases=24, step_ms=140.0,
        attributes={"CardiacNumberOfImages": 24}, **_sax(),
    )  # fmt: skip


@_kind("cine after contrast")
def _after_contrast(scanner: _Scanner) -> Iterator[Member]:
    agent = {"ContrastBolusAgent": "GADOBUTROL", "ContrastBolusVolume": "12"}
    yield scanner.series("cine after contrast", "cine sax post gd", attributes=agent, **_sax())


@_kind("cine under stress")
def _stress(scanner: _Scanner) -> Iterator[Member]:
    stressed = {"HeartRate": 139, "NominalInterval": 432}
    yield scanner.series("cine under stress", "cine sax stress", step_ms=36.0, attributes=stressed, **_sax())


@_kind("annotated copy of the cine")
def _annotated(scanner: _Scanner) -> Iterator[Member]:
    yield scanner.series(
        "annotated copy of the cine", "cine sax contours",
        attributes=_derived("SECONDARY", "OTHER", BurnedInAnnotation="YES"), **_sax(),
    )  # fmt: skip


@_kind("reformat")
def _reformats(scanner: _Scanner) -> Iterator[Member]:
    for n, axes in enumerate((SHORT_AXIS, TRANSVERSE, _CORONAL, _SAGITTAL, _along(0.0), _along(90.0))):
        yield scanner.series(
            "reformat", f"mpr {n}", n_phases=1, attributes=_derived("SECONDARY", "MPR"),
            **_through_heart(axes, 8, 5.0),
        )  # fmt: skip


@_kind("reformatted cine")
def _reformatted_cine(scanner: _Scanner) -> Iterator[Member]:
    yield scanner.series(
        "reformatted cine", "cine sax mpr", attributes=_derived("SECONDARY", "MPR"), gap_mm=8.0,
        **{k: v for k, v in _through_heart(SHORT_AXIS, 12, 8.0).items() if k != "gap_mm"},
    )  # fmt: skip


@_kind("angiography")
def _angiography(scanner: _Scanner) -> Iterator[Member]:
    volume = {"MRAcquisitionType": "3D", "EchoTime": 0.9}
    for n in range(3):
        yield scanner.series(
            "angiography", f"mra {n}", n_phases=1, attributes=volume, **_through_heart(_CORONAL, 8, 4.0)
        )
        yield scanner.series(
            "angiography", f"mra {n} sub", n_phases=1, attributes=_derived("PRIMARY", "M", "SUB", **volume),
            **_through_heart(_CORONAL, 8, 4.0),
        )  # fmt: skip
        for turn in range(2):
            yield scanner.series(
                "angiography", f"mra {n} mip {turn}", n_phases=1,
                attributes=_derived("SECONDARY", "PROJECTION IMAGE", "MIP"), **_through_heart(_SAGITTAL),
            )  # fmt: skip


@_kind("subtraction")
def _subtraction(scanner: _Scanner) -> Iterator[Member]:
    for n in range(3):
        yield _beats_apart(
            scanner.series(
                "subtraction", f"perfusion sub {n}", n_phases=10,
                attributes=_derived("PRIMARY", "M", "SUB", EchoTime=1.1), **_sax(3),
            )
        )  # fmt: skip


@_kind("black blood")
def _black_blood(scanner: _Scanner) -> Iterator[Member]:
    for n in range(26):
        spin_echo = {"ScanningSequence": "SE", "EchoTime": 60.0, "TriggerTime": "600"}
        where = _sax() if n % 2 else _through_heart(_along(9.0 * n))
        yield scanner.series("black blood", f"tse {n}", n_phases=1, attributes=spin_echo, **where)


@_kind("screenshot")
def _screenshots(scanner: _Scanner) -> Iterator[Member]:
    for n in range(34):
        member = scanner.series("screenshot", f"capture {n}", n_slices=1, n_phases=2)

        def edit(_: int, ds: Dataset, modality: str = "OT" if n % 3 else "MR") -> None:
            ds.SOPClassUID, ds.Modality, ds.ConversionType = SecondaryCaptureImageStorage, modality, "WSD"
            ds.ImageType = ["DERIVED", "SECONDARY"]
            for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime"):
                delattr(ds, keyword)

        yield _each(member, edit)


@_kind("ultrasound still")
def _ultrasound(scanner: _Scanner) -> Iterator[Member]:
    member = scanner.series("ultrasound still", "echo", n_slices=1, n_phases=1)

    def edit(_: int, ds: Dataset) -> None:
        ds.SOPClassUID, ds.Modality = UltrasoundImageStorage, "US"
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "TriggerTime"):
            delattr(ds, keyword)

    yield _each(member, edit)


@_kind("document")
def _documents(scanner: _Scanner) -> Iterator[Member]:
    classes = (
        (BasicTextSRStorage, "SR"),
        (EncapsulatedPDFStorage, "DOC"),
        (KeyObjectSelectionDocumentStorage, "KO"),
        (GrayscaleSoftcopyPresentationStateStorage, "PR"),
    )
    for n in range(16):
        sop_class, modality = classes[n % 4]
        spec = scanner.next(f"document {n}", n_slices=1, n_phases=1)
        ds = Dataset()
        ds.SOPClassUID, ds.SOPInstanceUID, ds.Modality = sop_class, f"{spec.series_uid}.1", modality
        ds.StudyInstanceUID, ds.SeriesInstanceUID = STUDY, spec.series_uid
        ds.SeriesNumber, ds.InstanceNumber = spec.series_number, 1
        ds.PatientID, ds.PatientName, ds.StudyDate = "EXAMPLE-300", "Example^Long", "20240312"
        if modality == "SR":
            ds.ValueType, ds.CompletionFlag, ds.VerificationFlag = "CONTAINER", "COMPLETE", "UNVERIFIED"
        yield Member("document", spec.series_uid, (ds,))


def shuffled(members: Sequence[Member], seed: int = 0) -> list[Dataset]:
    """All instances, in an order that tells nothing."""
    datasets = [ds for member in members for ds in member.datasets]
    return [datasets[i] for i in np.random.default_rng(seed).permutation(len(datasets))]
