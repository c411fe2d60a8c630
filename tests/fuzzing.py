"""Deliveries of small studies whose files are spoiled at random, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    RLELossless,
)

from cvai.domain.cine import CineStack
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.segmentation import CineSegmentation, ModelIdentity
from cvai.errors import HeartRefused
from tests.dicom.read.dicom_files import SeriesSpec, enhanced, images
from tests.dicom.read.ultrasound_files import beating_frames, write_loop
from tests.dicom.write.synthetic import beating_labels
from tests.e2e.mutations import mutated_copy

PATIENT_NAME, PATIENT_ID = "Fuzz^Patient", "FUZZ-4711"
KINDS = ("explicit", "implicit", "deflated", "rle", "enhanced", "loop")

NUMBER = "10000000"
"""Stands in the UIDs of the templates, and gives way to a number of each delivery's own."""

SPEC = SeriesSpec(
    study_uid=f"1.2.826.0.1.3680043.10.999.{NUMBER}",
    series_uid=f"1.2.826.0.1.3680043.10.999.{NUMBER}.1",
    n_slices=4,
    n_phases=8,
    rows=32,
    columns=32,
    attributes={"PatientName": PATIENT_NAME, "PatientID": PATIENT_ID},
)
GENTLY_SPOILED = 2
"""Files of a delivery that is mostly sound: with luck it is still measured."""
EVERY_FOURTH = 4
"""Delivery is mostly sound."""
HEADER_BYTES = 1200
BOUNDARIES = (
    b"\x00" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80",
    b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0",
)  # fmt: skip
"""Lengths at the edge of what 32 bits hold, and the tags that begin and end sequences."""

Spoil = Callable[[random.Random, bytes], bytes]


@dataclass(frozen=True)
class Delivery:
    """One study on its way.

    Args:
        files: as they arrive.
        n_spoiled: how many of them are not as they were.
    """

    files: tuple[bytes, ...]
    n_spoiled: int


class DrawnHeart:
    """Draws a heart in the middle of the image, whatever the image shows."""

    uncertainty = None
    identity = ModelIdentity("drawn", "1.0", "0" * 64, "none")

    def segment(self, stack: CineStack) -> CineSegmentation:
        return CineSegmentation(beating_labels(*stack.pixels.shape), stack.geometry)


class NoHeart:
    """Has seen the whole loop, and no heart in it."""

    uncertainty = None
    identity = DrawnHeart.identity

    def segment(self, loop: EchoLoop) -> LoopSegmentation:
        n_frames = len(loop.frames)
        raise HeartRefused("heart_not_found", f"No left ventricle was found in {n_frames} frames.", "Look.")


def deliveries(n_spoiled: int, seed: int, spoil: Spoil | None = None) -> Iterator[Delivery]:
    """Deliveries that hold so many spoiled files in all: cines of every kind, and loops.

    Args:
        n_spoiled: how many.
        seed: the same one gives the same files.
        spoil: how; ``spoiled`` when not given.
    """
    number = 0
    while n_spoiled > 0:
        rng = random.Random(f"{seed}/{number}")  # noqa: S311 - to be repeatable, not secret
        files = _sound(number)
        wanted = GENTLY_SPOILED if number % EVERY_FOURTH == 0 else rng.choice((8, len(files)))
        chosen = rng.sample(range(len(files)), min(n_spoiled, wanted, len(files)))
        for index in chosen:
            files[index] = _different(spoil or spoiled, rng, files[index])
        yield Delivery(tuple(files), len(chosen))
        n_spoiled -= len(chosen)
        number += 1


def spoiled(rng: random.Random, data: bytes) -> bytes:
    """The file with one thing wrong, or a few."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = rng.choice(SPOILS)(rng, data)
    return data


def spoiled_data_set(rng: random.Random, data: bytes) -> bytes:
    """The file with something wrong behind its file meta information, which C-STORE leaves out."""
    if rng.random() < 0.2:
        return _absurd_values(rng, data)
    begins = 144 + int.from_bytes(data[140:144], "little")
    return data[:begins] + rng.choice(BYTE_SPOILS)(rng, data[begins:])


def _different(spoil: Spoil, rng: random.Random, data: bytes) -> bytes:
    while (changed := spoil(rng, data)) == data:
        pass
    return changed


def _flip_bits(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 16)):
        if changed:
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flip_in_the_header(rng: random.Random, data: bytes) -> bytes:
    return _flip_bits(rng, data[:HEADER_BYTES]) + data[HEADER_BYTES:]


def _put_a_boundary(rng: random.Random, data: bytes) -> bytes:
    at = 2 * rng.randrange(1 + min(len(data), HEADER_BYTES) // 2)
    return data[:at] + rng.choice(BOUNDARIES) + data[at + 4 :]


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _lose_a_piece(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at + rng.randint(1, 64) :]


def _repeat_a_piece(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    piece = data[at : at + rng.randint(1, 64)]
    return data[:at] + piece * rng.randint(2, 50) + data[at:]


def _insert_noise(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.randbytes(rng.randint(1, 64)) + data[at:]


def _join_another(rng: random.Random, data: bytes) -> bytes:
    """The beginning of this file and the end of one of another kind."""
    other = rng.choice(_templates(rng.choice(KINDS)))
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other)) :]


def _absurd_values(rng: random.Random, data: bytes) -> bytes:
    """Values spoiled one by one where the file can still be read, see ``tests.e2e.mutations``."""
    with TemporaryDirectory(prefix="cvai-fuzz-") as folder:
        source, out = Path(folder) / "source.dcm", Path(folder) / "out"
        source.write_bytes(data)
        try:
            mutated_copy([source], out, rng.randrange(2**32))
            return (out / "0000.dcm").read_bytes()
        except Exception:  # noqa: BLE001 - spoiled before, so that pydicom can no longer write it
            return data


BYTE_SPOILS: tuple[Spoil, ...] = (
    _flip_bits, _flip_in_the_header, _flip_in_the_header, _put_a_boundary, _put_a_boundary, _cut,
    _lose_a_piece, _repeat_a_piece, _insert_noise, _join_another,
)  # fmt: skip
SPOILS = (*BYTE_SPOILS, _absurd_values, _absurd_values)


def _sound(number: int) -> list[bytes]:
    """The files of a study of its own, as a scanner sends them."""
    kind = KINDS[number % len(KINDS)]
    own = str(int(NUMBER) + number).encode()
    files = [data.replace(NUMBER.encode(), own) for data in _templates(kind)]
    return [_deflated(data) for data in files] if kind == "deflated" else files


@cache
def _templates(kind: str) -> tuple[bytes, ...]:
    """A cine in one transfer syntax, or in one object, or a loop of ultrasound."""
    match kind:
        case "loop":
            return (_loop(),)
        case "enhanced":
            return (_encoded(_even(enhanced(SPEC))),)
        case "implicit":
            return tuple(_encoded(ds, ImplicitVRLittleEndian) for ds in _images())
        case "rle":
            return tuple(_compressed(ds) for ds in _images())
        case _:
            return tuple(_encoded(ds) for ds in _images())


def _images() -> list[Dataset]:
    return list(map(_even, images(SPEC)))


def _even(ds: Dataset) -> Dataset:
    """The same with grey levels that differ from phase to phase by little, as those of a heartbeat do."""
    values = np.frombuffer(ds.PixelData, "<i2")
    ds.PixelData = (values // 16 + 20_000).astype("<i2").tobytes()
    return ds


def _loop() -> bytes:
    with TemporaryDirectory(prefix="cvai-fuzz-") as folder:
        uids = {"StudyInstanceUID": SPEC.study_uid, "SeriesInstanceUID": SPEC.series_uid}
        uids["SOPInstanceUID"] = f"{SPEC.series_uid}.1"
        return write_loop(Path(folder) / "loop.dcm", beating_frames(12), **uids).read_bytes()


def _encoded(ds: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    ds.ensure_file_meta()
    ds.file_meta.TransferSyntaxUID = transfer_syntax
    file = BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def _compressed(ds: Dataset) -> bytes:
    ds.ensure_file_meta()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.compress(RLELossless, generate_instance_uid=False)
    return _encoded(ds, RLELossless)


def _deflated(data: bytes) -> bytes:
    return _encoded(dcmread(BytesIO(data)), DeflatedExplicitVRLittleEndian)
