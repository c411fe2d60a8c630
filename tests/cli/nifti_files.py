"""NIfTI files written byte by byte, so that a header can state anything."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CODES = {
    "uint8": 2, "int16": 4, "int32": 8, "float32": 16, "complex64": 32, "float64": 64, "int8": 256,
    "uint16": 512, "uint32": 768, "int64": 1024, "complex128": 1792,
}  # fmt: skip
MM, MICRON, METRE, UNKNOWN = 2, 3, 1, 0


@dataclass(frozen=True)
class Header:
    """What a header states; None where it is as the array is."""

    spacing: tuple[float, ...] = (1.4, 1.4, 10.0)
    units: int = MM
    shape: tuple[int, ...] | None = None
    datatype: int | None = None
    slope_inter: tuple[float, float] = (1.0, 0.0)
    sform: tuple[tuple[float, ...], ...] | None = None
    qform: tuple[float, float, float] | None = None
    big_endian: bool = False
    magic: bytes = b"n+1\0"
    offset: float = 352.0
    extra: dict[int, bytes] = field(default_factory=dict)


def header_bytes(values: NDArray[np.generic], header: Header) -> bytes:
    order = ">" if header.big_endian else "<"
    shape = values.shape if header.shape is None else header.shape
    block = bytearray(352)
    code = CODES[values.dtype.name] if header.datatype is None else header.datatype
    struct.pack_into(f"{order}i", block, 0, 348)
    struct.pack_into(f"{order}8h", block, 40, len(shape), *shape, *[1] * (7 - len(shape)))
    struct.pack_into(f"{order}2h", block, 70, code, 8 * values.dtype.itemsize)
    spacing = (*header.spacing, *[1.0] * (7 - len(header.spacing)))
    struct.pack_into(f"{order}8f", block, 76, 1.0, *spacing)
    struct.pack_into(f"{order}3f", block, 108, header.offset, *header.slope_inter)
    block[123] = header.units
    struct.pack_into(f"{order}2h", block, 252, int(header.qform is not None), int(header.sform is not None))
    struct.pack_into(f"{order}3f", block, 256, *(header.qform or (0.0, 0.0, 0.0)))
    for row, numbers in enumerate(header.sform or ()):
        struct.pack_into(f"{order}4f", block, 280 + 16 * row, *numbers)
    block[344:348] = header.magic
    for at, content in header.extra.items():
        block[at : at + len(content)] = content
    return bytes(block)


def nifti_bytes(values: NDArray[np.generic], header: Header = Header()) -> bytes:
    stored = values.astype(values.dtype.newbyteorder(">" if header.big_endian else "<"))
    return header_bytes(values, header) + stored.tobytes(order="F")


def write_nifti(path: Path, values: NDArray[np.generic], header: Header = Header()) -> Path:
    content = nifti_bytes(values, header)
    path.write_bytes(gzip.compress(content, 1) if path.name.endswith(".gz") else content)
    return path


def diagonal(x: float, y: float, z: float) -> tuple[tuple[float, ...], ...]:
    return ((x, 0, 0, 0), (0, y, 0, 0), (0, 0, z, 0))
