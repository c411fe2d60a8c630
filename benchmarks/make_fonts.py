"""Make the fonts in ``cvai/dicom/write/fonts`` from Debian's fonts-noto-core and fonts-noto-cjk.

Hints and what only editors need are left out, and the outlines of Noto Sans CJK become quadratic, within a
thousandth of the size of a letter: reportlab embeds TrueType outlines only.

Usage: apt-get download fonts-noto-core fonts-noto-cjk; for each: dpkg-deb -x FILE DEBIAN
       python benchmarks/make_fonts.py DEBIAN [--only NAME]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from fontTools.pens.cu2quPen import Cu2QuPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont, newTable

from cvai.dicom.write.report.fonts import CJK, FOLDER, SCRIPT_FONTS

CJK_COLLECTION = "usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
SIMPLIFIED_CHINESE = 2
"""Number of the font in the collection; they differ in how they draw some Han characters, not in which."""

LARGEST_ERROR = 1.0
"""Of an outline, in font units: thousandths of the size."""


def subsetted(font: TTFont, codes: set[int], features: list[str]) -> None:
    options = Options()
    options.layout_features = features
    options.hinting = False
    options.notdef_outline = True
    options.drop_tables += ["BASE", "VORG", "vhea", "vmtx", "DSIG", "meta"]
    subsetter = Subsetter(options)
    subsetter.populate(unicodes=codes)
    subsetter.subset(font)


def with_quadratic_outlines(font: TTFont) -> None:
    """Replace cubic outlines, in the order of the glyphs."""
    order, glyph_set = font.getGlyphOrder(), font.getGlyphSet()
    glyphs = {}
    for name in order:
        pen = TTGlyphPen(None)
        glyph_set[name].draw(Cu2QuPen(pen, LARGEST_ERROR, reverse_direction=True))
        glyphs[name] = pen.glyph()
    font["loca"], font["glyf"] = newTable("loca"), newTable("glyf")
    font["glyf"].glyphOrder, font["glyf"].glyphs = order, glyphs
    del font["CFF "]
    font["maxp"].tableVersion = 0x00010000
    font["maxp"].maxZones = 1
    for name in ("TwilightPoints", "Storage", "FunctionDefs", "InstructionDefs", "StackElements",
                 "SizeOfInstructions", "ComponentElements"):  # fmt: skip
        setattr(font["maxp"], f"max{name}", 0)
    post = font["post"]
    post.formatType, post.extraNames, post.mapping, post.glyphOrder = 3.0, [], {}, order
    font.sfntVersion = "\x00\x01\x00\x00"


def make_script_font(debian: Path, name: str) -> None:
    font = TTFont(debian / "usr/share/fonts/truetype/noto" / f"{name}.ttf")
    subsetted(font, set(font.getBestCmap()), ["*"])
    font.save(FOLDER / f"{name}.ttf")


def make_cjk_font(debian: Path) -> None:
    font = TTFont(debian / CJK_COLLECTION, fontNumber=SIMPLIFIED_CHINESE, lazy=True)
    wanted = {code for code in font.getBestCmap() if any(low <= code <= high for low, high in CJK.blocks)}
    subsetted(font, wanted, [])
    with_quadratic_outlines(font)
    font.save(FOLDER / f"{CJK.name}.ttf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("debian", type=Path)
    parser.add_argument("--only", default="")
    asked = parser.parse_args()
    for font in SCRIPT_FONTS:
        if asked.only in ("", font.name):
            make_script_font(asked.debian, font.name)
    if asked.only in ("", CJK.name):
        make_cjk_font(asked.debian)
    for path in sorted(FOLDER.glob("*.ttf")):
        print(f"{path.name:32} {path.stat().st_size / 1024:8.0f} KiB")


if __name__ == "__main__":
    main()
