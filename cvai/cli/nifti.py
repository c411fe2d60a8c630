"""NIfTI images for ``cvai segment``: read by what they hold, checked before memory is taken for them."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import nibabel
import numpy as np
from nibabel.arrayproxy import ArrayProxy
from nibabel.nifti1 import Nifti1Header, Nifti1PairHeader
from nibabel.nifti2 import Nifti2Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from cvai.cli.grey import not_grey
from cvai.errors import FileRefused, GeometryRefused, HeartRefused

LARGEST_IMAGE_BYTES = 4 * 1024**3
"""As numbers of 32 bits, as for a DICOM cine."""

_SPACING_SHARE = 0.02
"""By which pixdim and the steps of the affine may differ."""

_GZIP = b"\x1f\x8b"

_MOST_INFLATED = 1032
"""Bytes that one byte of deflated data becomes at most (zlib, technical details)."""

_HEADERS = {348: (Nifti1Header, b"n+1\0"), 540: (Nifti2Header, b"n+2\0")}
"""By sizeof_hdr: the header, and the magic of an image in one file."""

_NOT_GREY = {32: "complex", 1792: "complex", 2048: "complex", 128: "RGB", 2304: "RGBA", 1: "binary"}
"""What data types of NIfTI are called that hold no grey levels."""

_PAIR_MAGIC = (b"ni1\0", b"ni2\0")

_BEYOND = 1 << 16
"""Bytes asked for behind the image: where it is the last of a compressed file, its checksum is looked at."""

_MOST_MISSING = 0.02
"""Share of labelled voxels that may hold no number: at the rim of a mask, not within the heart."""

_READ_ERRORS = (OSError, EOFError, zlib.error)
"""What reading raises where a file is no gzip file, ends early, or is not there."""


@dataclass(frozen=True, slots=True, eq=False)
class NiftiImage:
    """An image in grey levels.

    Args:
        values: what the file states, float32, on the file's own axes.
        missing: where the file holds no finite number, on the same axes; there ``values`` has the darkest of
            the others. None where nothing is missing.
        affine: (4, 4), as the file states it.
        header: the file's own.
    """

    values: NDArray[np.float32]
    missing: NDArray[np.bool_] | None
    affine: NDArray[np.float64]
    header: Nifti1PairHeader

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the image as stored."""
        return self.values.shape

    def require_present(self, heart: NDArray[np.bool_]) -> None:
        """Refuse labels that were drawn where the file holds no number.

        Args:
            heart: where there are labels, on the same axes.

        Raises:
            HeartRefused: ``values_missing``.
        """
        if self.missing is None or not heart.any():
            return
        share = float(self.missing[heart].mean())
        if share > _MOST_MISSING:
            raise HeartRefused(
                "values_missing",
                f"{100 * share:.0f} % of the heart's voxels hold no finite number.",
                "Give the image before it was masked or resampled.",
            )

    def with_labels(self, labels: NDArray[np.uint8]) -> nibabel.Nifti1Image:
        """``labels`` of the same shape on the grid of this image."""
        header = self.header.copy()
        header.set_data_dtype(np.uint8)
        header.set_slope_inter(1, 0)
        image = nibabel.Nifti2Image if isinstance(header, Nifti2Header) else nibabel.Nifti1Image
        return image(np.ascontiguousarray(labels), self.affine, header)


def read_nifti(path: Path) -> NiftiImage:
    """A NIfTI-1 or NIfTI-2 image, compressed or not, in one file or two; names tell nothing.

    Raises:
        FileRefused: ``not_nifti``, ``not_grey_levels``, ``image_too_large`` or ``truncated_file``.
        GeometryRefused: ``affine_contradicts_spacing``.
    """
    with ExitStack() as opened:
        try:
            file, n_bytes = opened.enter_context(_open(_header_of_pair(path)))
            header, in_one_file = _header(file)
            if not in_one_file:
                file, n_bytes = opened.enter_context(_open(_image_of_pair(path)))
        except _READ_ERRORS as error:
            raise _not_nifti("The file cannot be read, or is damaged.") from error
        shape, offset = _checked_layout(header, n_bytes, in_one_file)
        affine = _affine(header)
        try:
            slope, inter = header.get_slope_inter()
            spec = (shape, header.get_data_dtype(), offset, slope or 1.0, inter or 0.0)
            with np.errstate(over="ignore", invalid="ignore"):  # what leaves the range becomes infinite
                values = np.asarray(ArrayProxy(file, spec, mmap=False), dtype=np.float32)
            file.read(_BEYOND)
        except HeaderDataError as error:
            raise _not_nifti("Its scaling has a slope, and an intercept that is no number.") from error
        except (*_READ_ERRORS, ValueError) as error:
            raise _truncated(
                "The file is damaged, or ends before the image that its header states."
            ) from error
    return _with_missing(values, affine, header)


@contextmanager
def _open(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The file's bytes, decompressed where they are compressed, and how many of them there can be at most."""
    with path.open("rb") as file:
        is_compressed = file.read(2) == _GZIP
        file.seek(0)
        n_bytes = path.stat().st_size
        if not is_compressed:
            yield file, n_bytes
            return
        with gzip.GzipFile(fileobj=file) as inflated:
            yield inflated, _MOST_INFLATED * n_bytes  # type: ignore[misc]


def _header(file: BinaryIO) -> tuple[Nifti1PairHeader, bool]:
    """The header as it is written, and whether the image follows in the same file."""
    start = file.read(4)
    size = next(
        (n for n in _HEADERS for order in ("little", "big") if start == n.to_bytes(4, order)),
        None,
    )
    if size is None:
        raise _not_nifti("The file does not begin with a NIfTI header.")
    kind, one_file = _HEADERS[size]
    block = start + file.read(size - 4)
    if len(block) < size:
        raise _not_nifti("The file ends within its header.")
    header = kind(block, check=False)
    magic = bytes(header["magic"].tobytes())[:4]
    if magic not in (one_file, *_PAIR_MAGIC) or int(header["sizeof_hdr"]) != size:
        raise _not_nifti("Its header is not marked as NIfTI; Analyze 7.5 looks like this.")
    return header, magic == one_file


def _header_of_pair(path: Path) -> Path:
    """The .hdr beside an .img; any other file is its own."""
    header = _beside(path, ".img", ".hdr")
    return header if header is not None and header.is_file() else path


def _image_of_pair(path: Path) -> Path:
    image = _beside(_header_of_pair(path), ".hdr", ".img")
    if image is None:
        raise _not_nifti("It is a header alone, of an image in another file.")
    return image


def _beside(path: Path, ending: str, other: str) -> Path | None:
    """The other file of a pair, of which both may be compressed; None where the name is not of a pair."""
    stem, found, compressed = path.name.lower().rpartition(ending)
    if not stem or not found or compressed not in ("", ".gz"):
        return None
    return path.with_name(path.name[: len(stem)] + other + compressed)


def _checked_layout(header: Nifti1PairHeader, n_bytes: int, in_one_file: bool) -> tuple[tuple[int, ...], int]:
    """Shape, and where the image begins, once it is known that they can be so."""
    shape = tuple(int(n) for n in header.get_data_shape())
    if not shape or min(shape) < 1:
        raise _not_nifti(f"Its header states a matrix of {_product(shape)}.")
    item_bytes = _bytes_of_grey_voxel(header)
    offset = float(header["vox_offset"])
    if not (header.single_vox_offset if in_one_file else 0) <= offset <= n_bytes:
        raise _not_nifti("Its header states an image that begins outside of the file.")
    n_voxels = math.prod(shape)
    if 4 * n_voxels > LARGEST_IMAGE_BYTES:
        raise FileRefused(
            "image_too_large",
            f"The header states {_product(shape)} voxels: {4 * n_voxels / 1024**3:.0f} GiB as numbers.",
            "Give the image as it was written; if it was, cut it to the heart.",
        )
    if offset + n_voxels * item_bytes > n_bytes:
        raise _truncated(f"The header states {_product(shape)} voxels, more than the file can hold.")
    return shape, int(offset)


def _bytes_of_grey_voxel(header: Nifti1PairHeader) -> int:
    """Bytes of a voxel, where one is one number."""
    try:
        kind = header.get_data_dtype()
    except KeyError:
        kind = np.dtype("V")
    if kind.fields is not None or kind.kind not in "iuf" or kind.itemsize == 0:
        code = int(header["datatype"])
        raise not_grey(f"Its data type is {_NOT_GREY.get(code, 'no real number')} (code {code}).")
    return int(kind.itemsize)


def _affine(header: Nifti1PairHeader) -> NDArray[np.float64]:
    """The affine, unless it says something else about the size of a voxel than pixdim does.

    Tools that know no affine write one of unit steps; that one says nothing.
    """
    try:
        affine = np.asarray(header.get_best_affine(), dtype=np.float64)
    except (HeaderDataError, ValueError) as error:
        raise _contradiction("The affine of its qform cannot be computed.") from error
    if int(header["sform_code"]) <= 0:
        return affine
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.linalg.norm(affine[:3, :3], axis=0)
    stated = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    n_axes = min(3, len(header.get_data_shape()))
    if not np.isfinite(affine).all() or steps.min() == 0:
        raise _contradiction("Its sform is no affine.")
    is_placeholder = bool(np.all(np.abs(steps - 1.0) <= 1e-3))
    if not is_placeholder and not np.allclose(steps[:n_axes], stated[:n_axes], rtol=_SPACING_SHARE, atol=0):
        raise _contradiction(
            f"Its pixdim states voxels of {_sides(stated[:n_axes])}, its sform {_sides(steps[:n_axes])}."
        )
    return affine


def _with_missing(
    values: NDArray[np.float32], affine: NDArray[np.float64], header: Nifti1PairHeader
) -> NiftiImage:
    missing = ~np.isfinite(values)
    if not missing.any():
        return NiftiImage(values, None, affine, header)
    if missing.all():
        raise not_grey("None of its voxels holds a finite number.")
    return NiftiImage(np.where(missing, values[~missing].min(), values), missing, affine, header)


def _product(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "no axes"


def _sides(lengths: NDArray[np.float64]) -> str:
    return " x ".join(f"{length:g}" for length in lengths)


def _not_nifti(what: str) -> FileRefused:
    return FileRefused(
        "not_nifti", f"This is no NIfTI image. {what}", "Give a .nii or .nii.gz file that exists."
    )


def _truncated(what: str) -> FileRefused:
    return FileRefused("truncated_file", what, "Write or copy the file again.")


def _contradiction(what: str) -> GeometryRefused:
    return GeometryRefused(
        "affine_contradicts_spacing", what, "Correct pixdim or the affine, whichever is wrong."
    )
