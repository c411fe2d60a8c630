"""Lines of text in any script: which font each letter is printed in, its form and its place.

HarfBuzz joins and places letters; ``bidi`` orders what reads from the right. A character that no font has is
printed as its number, such as ``[U+1F600]``: a letter of a name is never left out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby, pairwise

import uharfbuzz

from cvai.dicom.read.header.text import one_line
from cvai.dicom.write.report.bidi import levels_of, visual_order
from cvai.dicom.write.report.fonts import BOLD, CJK, LATIN_FONTS, REGULAR, Font, font_of

_FEATURES = {"liga": False, "clig": False, "dlig": False, "kern": False}
"""Letters are not drawn together for looks; the ligatures that a script needs have names of their own."""

_MIRRORED = dict(zip("()[]{}<>«»‹›", ")(][}{><»«›‹", strict=True))

_VARIATION_SELECTORS = ((0xFE00, 0xFE0F), (0xE0100, 0xE01EF))


@dataclass(frozen=True, slots=True)
class Glyph:
    """One glyph of a run; lengths are shares of the font's size.

    Args:
        number: of the glyph in its font.
        text: characters it stands for, empty where a neighbour stands for them.
        advance: how far the next one is to the right.
        x, y: shift against its place on the line.
    """

    number: int
    text: str
    advance: float
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring characters of one font and direction.

    Args:
        font: they are printed in.
        text: in the order it is read.
        from_right: whether it reads from right to left.
        glyphs: from left to right.
    """

    font: Font
    text: str
    from_right: bool
    glyphs: tuple[Glyph, ...]

    @property
    def width(self) -> float:
        """As a share of the font's size."""
        return sum(glyph.advance for glyph in self.glyphs)

    @property
    def shown(self) -> str:
        """Characters from left to right, brackets turned where they read from the right."""
        return "".join(_MIRRORED.get(c, c) for c in reversed(self.text)) if self.from_right else self.text

    @property
    def is_letter_by_letter(self) -> bool:
        """Whether every glyph stands for one character, so that copying glyphs copies the text."""
        return all(len(glyph.text) == 1 for glyph in self.glyphs)


def printable(text: str) -> str:
    """Text as it will be printed: composed letters, nothing invisible."""
    composed = one_line(unicodedata.normalize("NFC", text))
    return "".join(c for c in composed if not _is_variation_selector(c))


def is_plain(text: str) -> bool:
    """Whether DejaVu Sans has every letter, and each stands beside the one before.

    >>> is_plain("Müller, Ænne"), is_plain("Nguyễn"), is_plain("山田"), is_plain("משה")
    (True, True, False, False)
    """
    if text.isascii():
        return True
    return all(font_of(c) is REGULAR and not unicodedata.combining(c) and _has(REGULAR, c) for c in text)


def laid_out(text: str, *, bold: bool = False) -> tuple[Run, ...]:
    """Runs of a line from left to right.

    Args:
        text: as ``printable`` gives it.
        bold: whether what DejaVu Sans has is printed in bold; other scripts have one weight.
    """
    shown = "".join(_shown(text))
    levels, fonts = levels_of(shown), _fonts(shown, BOLD if bold else REGULAR)
    pieces = []
    for (font, level), group in groupby(range(len(shown)), key=lambda i: (fonts[i], levels[i])):
        places = list(group)
        pieces.append((font, level, shown[places[0] : places[-1] + 1]))
    order = visual_order([level for _, level, _ in pieces])
    return tuple(_run(*pieces[place]) for place in order)


def _shown(text: str) -> Iterator[str]:
    """Every character, or its number where no font has it."""
    for c in text:
        has_one = any(_has(font, c) for font in (font_of(c), REGULAR, CJK)) or unicodedata.category(c) == "Cf"
        yield c if has_one else f"[U+{ord(c):04X}]"


def _fonts(text: str, latin: Font) -> list[Font]:
    """The font of each character; marks and joiners stay with the letter before them."""
    fonts: list[Font] = []
    for c in text:
        follows = unicodedata.category(c) in ("Mn", "Mc", "Me", "Cf")
        if follows and fonts and (_has(fonts[-1], c) or unicodedata.category(c) == "Cf"):
            fonts.append(fonts[-1])
        else:
            fonts.append(next((f for f in (font_of(c), CJK) if f is not REGULAR and _has(f, c)), latin))
    return fonts


def _run(font: Font, level: int, text: str) -> Run:
    from_right = bool(level % 2)
    return Run(font, text, from_right, tuple(_shaped(font, text, from_right)))


def _shaped(font: Font, text: str, from_right: bool) -> Iterator[Glyph]:
    face = _face(font)
    size = face.upem
    buffer = uharfbuzz.Buffer()
    buffer.cluster_level = uharfbuzz.BufferClusterLevel.MONOTONE_CHARACTERS
    buffer.add_str(text)
    buffer.guess_segment_properties()
    buffer.direction = "rtl" if from_right else "ltr"
    uharfbuzz.shape(uharfbuzz.Font(face), buffer, _FEATURES)
    mapped: set[int] = set()
    ends = _cluster_ends({info.cluster for info in buffer.glyph_infos}, len(text))
    for info, place in zip(buffer.glyph_infos, buffer.glyph_positions, strict=True):
        stands_for = "" if info.cluster in mapped else text[info.cluster : ends[info.cluster]]
        mapped.add(info.cluster)
        yield Glyph(
            info.codepoint, stands_for, place.x_advance / size, place.x_offset / size, place.y_offset / size
        )


def _cluster_ends(starts: set[int], length: int) -> dict[int, int]:
    return dict(pairwise([*sorted(starts), length]))


@cache
def _face(font: Font) -> uharfbuzz.Face:
    return uharfbuzz.Face(uharfbuzz.Blob.from_file_path(font.path))


@cache
def _characters(font: Font) -> frozenset[int]:
    """Code points that a font has glyphs for; reportlab tells those of DejaVu Sans beyond U+FFFF wrongly."""
    codes = frozenset(_face(font).unicodes)
    return frozenset(code for code in codes if code <= 0xFFFF) if font in LATIN_FONTS else codes


def _has(font: Font, character: str) -> bool:
    return ord(character) in _characters(font)


def _is_variation_selector(character: str) -> bool:
    return any(low <= ord(character) <= high for low, high in _VARIATION_SELECTORS)
