"""Fonts of the report: which has the letters of which script. See README.md for where they come from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent

Block = tuple[int, int]
"""First and last code point."""


@dataclass(frozen=True, slots=True)
class Font:
    """A font, and what it is for.

    Args:
        name: of its file.
        blocks: Unicode blocks whose characters are printed in it.
        is_shaped: whether its letters take their form or place from their neighbours.
    """

    name: str
    blocks: tuple[Block, ...]
    is_shaped: bool = True

    @property
    def path(self) -> Path:
        """Its file."""
        return FOLDER / f"{self.name}.ttf"


REGULAR = Font("DejaVuSans", (), is_shaped=False)
BOLD = Font("DejaVuSans-Bold", (), is_shaped=False)
LATIN_FONTS = (REGULAR, BOLD)
"""Latin (with Vietnamese), Greek, Cyrillic, Armenian, Georgian and everything that has no font below."""

SCRIPT_FONTS = (
    Font("NotoSansHebrew-Regular", ((0x0590, 0x05FF), (0xFB1D, 0xFB4F))),
    Font(
        "NotoSansArabic-Regular",
        ((0x0600, 0x06FF), (0x0750, 0x077F), (0x08A0, 0x08FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)),
    ),
    Font("NotoSansDevanagari-Regular", ((0x0900, 0x097F), (0x1CD0, 0x1CFF), (0xA8E0, 0xA8FF))),
    Font("NotoSansBengali-Regular", ((0x0980, 0x09FF),)),
    Font("NotoSansGurmukhi-Regular", ((0x0A00, 0x0A7F),)),
    Font("NotoSansGujarati-Regular", ((0x0A80, 0x0AFF),)),
    Font("NotoSansOriya-Regular", ((0x0B00, 0x0B7F),)),
    Font("NotoSansTamil-Regular", ((0x0B80, 0x0BFF),)),
    Font("NotoSansTelugu-Regular", ((0x0C00, 0x0C7F),)),
    Font("NotoSansKannada-Regular", ((0x0C80, 0x0CFF),)),
    Font("NotoSansMalayalam-Regular", ((0x0D00, 0x0D7F),)),
    Font("NotoSansSinhala-Regular", ((0x0D80, 0x0DFF),)),
    Font("NotoSansThai-Regular", ((0x0E00, 0x0E7F),)),
    Font("NotoSansLao-Regular", ((0x0E80, 0x0EFF),)),
    Font("NotoSerifTibetan-Regular", ((0x0F00, 0x0FFF),)),
    Font("NotoSansMyanmar-Regular", ((0x1000, 0x109F), (0xA9E0, 0xA9FF), (0xAA60, 0xAA7F))),
    Font("NotoSansEthiopic-Regular", ((0x1200, 0x139F), (0x2D80, 0x2DDF), (0xAB00, 0xAB2F))),
    Font("NotoSansKhmer-Regular", ((0x1780, 0x17FF), (0x19E0, 0x19FF))),
)

CJK = Font(
    "NotoSansCJKsc-Regular",
    (
        (0x1100, 0x11FF),
        (0x2E80, 0x33FF),
        (0x3400, 0x4DBF),
        (0x4E00, 0x9FFF),
        (0xA960, 0xA97F),
        (0xAC00, 0xD7FF),
        (0xF900, 0xFAFF),
        (0xFF00, 0xFFEF),
        (0x20000, 0x323AF),
    ),
    is_shaped=False,
)
"""Han, Kana, Bopomofo and Hangul."""


def font_of(character: str) -> Font:
    """The font a character is printed in, whether or not it has it.

    >>> font_of("é").name, font_of("ب").name, font_of("山").name
    ('DejaVuSans', 'NotoSansArabic-Regular', 'NotoSansCJKsc-Regular')
    """
    code = ord(character)
    for font in (*SCRIPT_FONTS, CJK):
        if any(low <= code <= high for low, high in font.blocks):
            return font
    return REGULAR
