"""Fonts of one PDF document whose letters take another form by their neighbours.

reportlab embeds the glyph that a character has by itself. Here every glyph can be embedded: one that no
character has is given a code of private use in this document, and ToUnicode (ISO 32000-1, section 9.10.3)
says what it stands for, so that what is printed can be searched and copied.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from reportlab.pdfbase.ttfonts import SUBSETN, TTFont

from cvai.dicom.write.report.fonts import Font
from cvai.dicom.write.report.typeset import Glyph, Run

_PRIVATE_USE = 0xF0000
"""Plane 15; no font has letters of names there."""


class EmbeddedFont(TTFont):  # type: ignore[misc]
    """A font in one document."""

    def __init__(self, font: Font) -> None:
        super().__init__(font.name, str(font.path), asciiReadable=False)
        self._codes: dict[tuple[int, str], int] = {}
        self._told: dict[int, str] = {}

    def code_of(self, glyph: Glyph) -> int:
        """The code a glyph is embedded under."""
        face = self.face
        if len(glyph.text) == 1 and face.charToGlyph.get(ord(glyph.text)) == glyph.number:
            return ord(glyph.text)
        code = self._codes.setdefault((glyph.number, glyph.text), _PRIVATE_USE + len(self._codes))
        face.charToGlyph[code] = glyph.number
        face.charWidths[code] = glyph.advance * 1000
        self._told[code] = self._stands_for(glyph)
        return code

    def _stands_for(self, glyph: Glyph) -> str:
        """The text of a glyph; of a ligature its own character, which reads the same from both sides."""
        if len(glyph.text) > 1:
            for code in self.face.glyphToChar.get(glyph.number, ()):
                if unicodedata.normalize("NFKC", chr(code)) == unicodedata.normalize("NFKC", glyph.text):
                    return chr(code)
        return glyph.text

    def addObjects(self, doc: Any) -> None:  # noqa: N802 - reportlab's name
        """Write the font, and what its codes stand for."""
        subsets = [list(subset) for subset in self.state[doc].subsets]
        super().addObjects(doc)
        for number, subset in enumerate(subsets):
            name = b"".join((SUBSETN(number), b"+", self.face.name, self.face.subfontNameX)).decode("pdfdoc")
            doc.idToObject[f"toUnicodeCMap:{name}"].content = _to_unicode(
                name, [self._text(c) for c in subset]
            )

    def _text(self, code: int) -> str:
        return self._told[code] if code in self._told else chr(code)


def operators(run: Run, font: EmbeddedFont, doc: Any, origin_pt: tuple[float, float], size_pt: float) -> str:
    """PDF operators that print a run from a point on the baseline.

    Where glyphs and letters are not one to one, ActualText (ISO 32000-1, section 14.9.4) says what is read.
    """
    shown = []
    x_pt, y_pt = origin_pt
    for glyph in run.glyphs:
        for subset, codes in font.splitString(chr(font.code_of(glyph)), doc):
            name = font.getSubsetInternalName(subset, doc)
            x, y = x_pt + glyph.x * size_pt, y_pt + glyph.y * size_pt
            shown.append(f"{name} {size_pt:g} Tf 1 0 0 1 {x:.3f} {y:.3f} Tm <{codes.hex()}> Tj")
        x_pt += glyph.advance * size_pt
    text = f"BT {' '.join(shown)} ET"
    if run.from_right or run.is_letter_by_letter:
        return text
    return f"/Span <</ActualText <FEFF{_utf_16(run.text)}>>> BDC {text} EMC"


def _utf_16(text: str) -> str:
    return text.encode("utf-16-be").hex().upper()


def _to_unicode(name: str, texts: list[str]) -> str:
    """A CMap of what each code stands for (ISO 32000-1, section 9.10.3)."""
    lines = [f"<{code:02X}> <{_utf_16(text)}>" for code, text in enumerate(texts) if text]
    blocks = [lines[start : start + 100] for start in range(0, len(lines), 100)]
    lines = [
        "/CIDInit /ProcSet findresource begin",
        "12 dict begin",
        "begincmap",
        f"/CIDSystemInfo << /Registry ({name}) /Ordering ({name}) /Supplement 0 >> def",
        f"/CMapName /{name} def",
        "/CMapType 2 def",
        "1 begincodespacerange",
        f"<00> <{len(texts) - 1:02X}>",
        "endcodespacerange",
        *(line for b in blocks for line in (f"{len(b)} beginbfchar", *b, "endbfchar")),
        "endcmap",
        "CMapName currentdict /CMap defineresource pop",
        "end",
        "end",
    ]
    return "\n".join(lines)
