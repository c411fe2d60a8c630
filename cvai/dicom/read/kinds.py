"""What a file is that cannot be read as DICOM: an image that was damaged, or certainly something else."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from cvai.dicom.read.header.encoding import HEAD_BYTES, beginning_of
from cvai.domain.message import Message, say

_MAGIC: tuple[tuple[int, bytes, Message], ...] = (
    (0, b"\xff\xd8\xff", say("a JPEG image")),
    (0, b"\x89PNG\r\n\x1a\n", say("a PNG image")),
    (0, b"GIF8", say("a GIF image")),
    (0, b"BM", say("a BMP image")),
    (0, b"II*\0", say("a TIFF image")),
    (0, b"MM\0*", say("a TIFF image")),
    (0, b"\0\0\1\0", say("an icon")),
    (0, b"%PDF-", say("a PDF document")),
    (0, b"{\\rtf", say("a document")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", say("an Office document")),
    (0, b"MZ", say("a program")),
    (0, b"\x7fELF", say("a program")),
    (0, b"\xca\xfe\xba\xbe", say("a program")),
    (0, b"\xcf\xfa\xed\xfe", say("a program")),
    (0, b"\xce\xfa\xed\xfe", say("a program")),
    (0, b"L\0\0\0\1\x14\2\0", say("a shortcut")),
    (0, b"ITSF", say("a help file")),
    (0, b"PK\3\4", say("a zip file")),
    (0, b"Rar!\x1a\7", say("a packed file")),
    (0, b"7z\xbc\xaf\x27\x1c", say("a packed file")),
    (0, b"MSCF", say("a packed file")),
    (0, b"ISc(", say("a packed file")),
    (0, b"\x1f\x8b", say("a packed file")),
    (0, b"BZh", say("a packed file")),
    (0, b"\xfd7zXZ\0", say("a packed file")),
    (257, b"ustar", say("a packed file")),
    (0, b"SQLite format 3\0", say("a database")),
    (0, b"RIFF", say("a film or sound")),
    (4, b"ftyp", say("a film")),
    (0, b"\0\0\1\xba", say("a film")),
    (0, b"\0\0\1\xb3", say("a film")),
    (0, b"0&\xb2u\x8ef\xcf\x11", say("a film")),
    (0, b"\x1aE\xdf\xa3", say("a film")),
    (0, b"ID3", say("a sound")),
    (0, b"FWS", say("an animation")),
    (0, b"CWS", say("an animation")),
    (0, b"\0\1\0\0\0", say("a font")),
    (0, b"OTTO", say("a font")),
    (0, b"wOFF", say("a font")),
    (0, b"wOF2", say("a font")),
    (0, b"\x93NUMPY", say("an array")),
    (0, b"\x89HDF\r\n\x1a\n", say("an HDF5 file")),
    (344, b"n+1\0", say("a NIfTI image")),
    (344, b"ni1\0", say("a NIfTI image")),
)
"""(place, bytes, what it is): what CDs and exports hold beside images."""

_TEXT = say("text")
_TEXT_MARKS = (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-8 and UTF-16."""

_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f\x7f]")
"""Control characters that text does not have; it may have tabs, line ends, ends of file and escapes."""

_LEAST_ASCII_SHARE = 0.7
"""Text in a European language has more, in whatever code page; encrypted bytes have a third."""

_SUFFIXES_OF_DICOM = frozenset({".dcm", ".dicom", ".dic", ".ima"})
_SUFFIXES_OF_IMAGES = _SUFFIXES_OF_DICOM | {"", ".img", ".mr", ".us", ".mag", ".acr"}
_SUFFIXES_OF_ONE_PACKED = frozenset({".gz", ".bz2", ".xz"})


def may_be_an_image(path: Path, suffixes: Collection[str] = ()) -> bool:
    """Whether a file that cannot be read may be an image that was damaged.

    It may where it begins like DICOM, or is called ``*.dcm``. Where its bytes do not say, being none or
    encrypted, its name does. Text is as good as an image where it is named IM0001: an error page that was
    stored in an image's place. README is not.

    Args:
        path: of the file.
        suffixes: of the images it lies among, in lower case.

    Raises:
        OSError: the disk.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    if beginning_of(head).is_dicom or _suffix(path) in _SUFFIXES_OF_DICOM:
        return True
    kind = kind_of(head)
    is_numbered_text = kind == _TEXT and any(character.isdigit() for character in path.name)
    return (kind is None or is_numbered_text) and is_named_like_an_image(path, suffixes)


def kind_of(head: bytes) -> Message | None:
    """What a file that is no DICOM certainly is, with its article; None where its first bytes do not say.

    >>> kind_of(b"%PDF-1.7"), kind_of(b"Dear reader"), kind_of(bytes(100))
    ('a PDF document', 'text', None)
    """
    kind = next((kind for place, mark, kind in _MAGIC if head[place:].startswith(mark)), None)
    return kind or (_TEXT if _is_text(head) else None)


def is_named_like_an_image(path: Path, suffixes: Collection[str] = ()) -> bool:
    """Whether a file is named as DICOM images are, or as those are that it lies among.

    >>> is_named_like_an_image(Path("IM0001")), is_named_like_an_image(Path("1.2.840.5"))
    (True, True)
    >>> is_named_like_an_image(Path("viewer.dat")), is_named_like_an_image(Path("a.dat"), {".dat"})
    (False, True)
    """
    suffix = _suffix(path)
    return suffix in _SUFFIXES_OF_IMAGES or suffix in suffixes or suffix[1:].isdigit()


def _suffix(path: Path) -> str:
    """Ending of a file's name; of IM0001.dcm.gz that of what is packed."""
    suffix = path.suffix.lower()
    packed = Path(path.stem).suffix.lower()
    return packed if packed and suffix in _SUFFIXES_OF_ONE_PACKED else suffix


def _is_text(head: bytes) -> bool:
    if head.startswith(_TEXT_MARKS):
        return True
    n_ascii = sum(byte < 0x80 for byte in head)
    return bool(head) and _NO_TEXT.search(head) is None and n_ascii >= _LEAST_ASCII_SHARE * len(head)
