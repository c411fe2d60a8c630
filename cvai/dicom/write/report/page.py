"""A4 pages to draw on, in millimetres from their top left corner."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader, simpleSplit
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from cvai.dicom.write.report import fonts
from cvai.dicom.write.report.embedded_fonts import EmbeddedFont, operators
from cvai.dicom.write.report.typeset import Run, is_plain, laid_out, printable
from cvai.domain.message import Message, translated
from cvai.languages import ENGLISH, translator

WIDTH_MM = A4[0] / mm
HEIGHT_MM = A4[1] / mm

Colour = tuple[int, int, int]
BLACK: Colour = (25, 25, 25)
GREY: Colour = (105, 105, 105)
LIGHT: Colour = (205, 205, 205)
WHITE: Colour = (255, 255, 255)
ALARM: Colour = (186, 60, 0)

REGULAR, BOLD = fonts.REGULAR.name, fonts.BOLD.name
"""Embedded in the document; what they lack is printed in the fonts of its script."""

_EMBEDDING = threading.Lock()
"""reportlab reads a font from one place at a time, and two studies may be written at once."""

STROKED_TEXT = 1
"""Text rendering mode (ISO 32000-1, table 106)."""

IMAGE_PIXELS_PER_MM = 6.0
"""About 150 dots an inch: smooth on paper and screen, and still a small file."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """How a line is drawn."""

    colour: Colour = BLACK
    width_pt: float = 0.6
    dash_pt: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of the page: left and top edge, width and height, in mm."""

    left: float
    top: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """Right edge."""
        return self.left + self.width

    @property
    def bottom(self) -> float:
        """Bottom edge."""
        return self.top + self.height


def _load_fonts() -> None:
    """Register the Latin fonts with reportlab; a second call changes nothing."""
    known = pdfmetrics.getRegisteredFontNames()
    for font in fonts.LATIN_FONTS:
        if font.name not in known:
            pdfmetrics.registerFont(TTFont(font.name, str(font.path)))


class Page:
    """Pages whose bytes depend on what is drawn and on nothing else.

    Args:
        title: title of the document; no patient data, since file managers show it.
        language: messages are printed in it, see ``cvai.domain.message``; other text as it stands.
    """

    def __init__(self, title: str, language: str = ENGLISH) -> None:
        _load_fonts()
        self._buffer = BytesIO()
        self._canvas = Canvas(self._buffer, pagesize=A4, invariant=1, initialFontName=REGULAR, lang=language)
        self._translate = translator(language)
        self._canvas.setTitle(title)
        self._canvas.setAuthor("cvai")
        self._canvas.setCreator("cvai")
        self._embedded: dict[fonts.Font, EmbeddedFont] = {}

    def pdf(self) -> bytes:
        """The finished document."""
        self._canvas.showPage()
        with _EMBEDDING:
            self._canvas.save()
        return self._buffer.getvalue()

    def said(self, text: str) -> str:
        """What is printed of a text: a message in the page's language; names and numbers as they stand."""
        return translated(text, self._translate) if isinstance(text, Message) else text

    def turn(self) -> None:
        """Go on with a new page."""
        self._canvas.showPage()

    def text(
        self,
        x: float,
        baseline: float,
        text: str,
        size_pt: float = 8.5,
        *,
        bold: bool = False,
        colour: Colour = BLACK,
        align: str = "left",
        width: float = math.inf,
    ) -> None:
        """Write one line; ``align`` says which part of it lies at ``x``: left, centre or right.

        A line that is longer than ``width`` mm is written smaller: other languages take more room.
        """
        text = printable(self.said(text))
        size_pt = narrowed_pt(text, size_pt, width, bold=bold)
        shift_pt = {"left": 0.0, "centre": 0.5, "right": 1.0}[align] * _width_pt(text, size_pt, bold=bold)
        x_pt, y_pt = x * mm - shift_pt, _up(baseline)
        self._canvas.setFillColorRGB(*_rgb(colour))
        if is_plain(text):
            self._plain(x_pt, y_pt, text, BOLD if bold else REGULAR, size_pt)
            return
        for run in laid_out(text, bold=bold):
            self._run(x_pt, y_pt, run, size_pt)
            x_pt += run.width * size_pt

    def _plain(self, x_pt: float, y_pt: float, text: str, font: str, size_pt: float) -> None:
        self._canvas.setFont(font, size_pt)
        self._canvas.drawString(x_pt, y_pt, text)

    def _run(self, x_pt: float, y_pt: float, run: Run, size_pt: float) -> None:
        if run.font in fonts.LATIN_FONTS:
            self._plain(x_pt, y_pt, run.shown, run.font.name, size_pt)
            return
        if run.font not in self._embedded:
            self._embedded[run.font] = EmbeddedFont(run.font)
        font = self._embedded[run.font]
        self._canvas.addLiteral(operators(run, font, self._canvas._doc, (x_pt, y_pt), size_pt))

    def text_over_image(
        self,
        x: float,
        baseline: float,
        text: str,
        size_pt: float,
        *,
        align: str = "left",
        width: float = math.inf,
    ) -> None:
        """Write one bold line in white with a black rim, readable on bright and on dark tissue."""
        text = self.said(text)
        size_pt = narrowed_pt(text, size_pt, width, bold=True)
        shift_pt = _shift_pt(text, BOLD, size_pt, align)
        self._canvas.saveState()
        self._canvas.setDash()
        self._canvas.setLineJoin(1)
        self._canvas.setLineWidth(1.4)
        self._canvas.setStrokeColorRGB(0, 0, 0)
        rim = self._canvas.beginText(x * mm - shift_pt, _up(baseline))
        rim.setFont(BOLD, size_pt)
        rim.setTextRenderMode(STROKED_TEXT)
        rim.textOut(text)
        self._canvas.drawText(rim)
        self._canvas.restoreState()
        self.text(x, baseline, text, size_pt, bold=True, colour=WHITE, align=align)

    def upright_text(self, x: float, y: float, text: str, size_pt: float, colour: Colour = BLACK) -> None:
        """Write one line that reads from bottom to top, centred at height ``y``."""
        self._canvas.saveState()
        self._canvas.translate(x * mm, _up(y))
        self._canvas.rotate(90)
        self._canvas.setFont(REGULAR, size_pt)
        self._canvas.setFillColorRGB(*_rgb(colour))
        self._canvas.drawCentredString(0, 0, self.said(text))
        self._canvas.restoreState()

    def line(self, points: Sequence[tuple[float, float]] | NDArray[np.float64], stroke: Stroke) -> None:
        """Draw a line through (x, y) points."""
        self._canvas.setStrokeColorRGB(*_rgb(stroke.colour))
        self._canvas.setLineWidth(stroke.width_pt)
        self._canvas.setDash(*([list(stroke.dash_pt)] if stroke.dash_pt else []))
        self._canvas.setLineJoin(1)
        path = self._canvas.beginPath()
        path.moveTo(points[0][0] * mm, _up(points[0][1]))
        for x, y in points[1:]:
            path.lineTo(x * mm, _up(y))
        self._canvas.drawPath(path)

    def dot(self, x: float, y: float, radius: float, colour: Colour) -> None:
        """Draw a filled circle."""
        self._canvas.setFillColorRGB(*_rgb(colour))
        self._canvas.circle(x * mm, _up(y), radius * mm, stroke=0, fill=1)

    def polygon(self, points: Sequence[tuple[float, float]], colour: Colour, rim: Stroke) -> None:
        """Fill a closed line through (x, y) points and draw its rim."""
        self._canvas.setFillColorRGB(*_rgb(colour))
        self._canvas.setStrokeColorRGB(*_rgb(rim.colour))
        self._canvas.setLineWidth(rim.width_pt)
        self._canvas.setDash()
        path = self._canvas.beginPath()
        path.moveTo(points[0][0] * mm, _up(points[0][1]))
        for x, y in points[1:]:
            path.lineTo(x * mm, _up(y))
        path.close()
        self._canvas.drawPath(path, stroke=1, fill=1)

    def block(self, box: Box, colour: Colour, radius: float = 0.0) -> None:
        """Fill a rectangle."""
        self._canvas.setFillColorRGB(*_rgb(colour))
        self._canvas.roundRect(
            box.left * mm, _up(box.bottom), box.width * mm, box.height * mm, radius * mm, stroke=0, fill=1
        )

    def image(self, box: Box, grey: NDArray[np.uint8]) -> None:
        """Draw a (y, x) grey image that fills ``box``, whatever the proportions of its pixels."""
        size = (round(box.width * IMAGE_PIXELS_PER_MM), round(box.height * IMAGE_PIXELS_PER_MM))
        smooth = Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC)
        self._canvas.drawImage(
            ImageReader(smooth), box.left * mm, _up(box.bottom), box.width * mm, box.height * mm
        )


def text_width(text: str, size_pt: float, *, bold: bool = False) -> float:
    """Width of one line in mm."""
    return _width_pt(printable(text), size_pt, bold=bold) / float(mm)


def narrowed_pt(text: str, size_pt: float, width: float, *, bold: bool = False) -> float:
    """The size at which a line is no wider than so many mm, ``size_pt`` at most."""
    if math.isinf(width):
        return size_pt
    needed = text_width(text, size_pt, bold=bold)
    return size_pt if needed <= width else size_pt * width / needed


def wrapped(text: str, size_pt: float, width: float) -> list[str]:
    """Lines that ``text`` takes within ``width`` mm."""
    _load_fonts()
    return list(simpleSplit(text, REGULAR, size_pt, width * mm))


def fitted(text: str, size_pt: float, width: float) -> str:
    """``text`` cut with an ellipsis to what fits ``width`` mm on one line."""
    if text_width(text, size_pt) <= width:
        return text
    while text and text_width(text + "…", size_pt) > width:
        text = text[:-1]
    return text.rstrip() + "…"


def _width_pt(text: str, size_pt: float, *, bold: bool) -> float:
    """Width of one printable line in points."""
    if not is_plain(text):
        return sum(run.width for run in laid_out(text, bold=bold)) * size_pt
    _load_fonts()
    return float(pdfmetrics.stringWidth(text, BOLD if bold else REGULAR, size_pt))


def _shift_pt(text: str, font: str, size_pt: float, align: str) -> float:
    """How far a line must start left of its anchor, in points."""
    width_pt: float = pdfmetrics.stringWidth(text, font, size_pt)
    return {"left": 0.0, "centre": width_pt / 2, "right": width_pt}[align]


def _up(y: float) -> float:
    """Height in PDF points, which count from the bottom of the page."""
    height_pt: float = (HEIGHT_MM - y) * mm
    return height_pt


def _rgb(colour: Colour) -> tuple[float, float, float]:
    return colour[0] / 255, colour[1] / 255, colour[2] / 255
