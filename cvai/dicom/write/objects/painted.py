"""Pictures with contours, numbers and their standing burnt in, which say by themselves what they are.

They name no patient: that is in the header, as of every image.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cvai.dicom.write.analysis import Analysed, AnyAnalysed
from cvai.dicom.write.contoured import ContouredImages
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext
from cvai.dicom.write.plan import ShownNumber
from cvai.dicom.write.report import fonts
from cvai.dicom.write.report.document import SEVERITY_WORDS
from cvai.dicom.write.report.page import ALARM, WHITE, Colour
from cvai.domain.findings import Finding
from cvai.domain.measurement import Measurement, bounds_text

WIDEST_PX, HIGHEST_PX = 960, 720
"""Of the part that shows images."""

NARROWEST_PX = 720
"""Room for the text, whatever the images take."""

LARGEST_SCALE = 4.0
"""Picture pixels for one pixel of the images; more would only blur."""

MOST_SLICES = 6
"""Slices of a key frame in the panels, evenly spread; all of them where there is one key frame."""

_HEADER_PX, _FOOTER_PX, _MARGIN_PX = 62, 62, 8
_PALE: Colour = (190, 190, 190)
_LARGE, _SMALL, _CAPTION = (
    ImageFont.truetype(str(font.path), size_px, layout_engine=ImageFont.Layout.BASIC)
    for font, size_px in ((fonts.BOLD, 19), (fonts.REGULAR, 15), (fonts.BOLD, 12))
)

_Font = ImageFont.FreeTypeFont


@dataclass(frozen=True, slots=True)
class Tile:
    """One frame in a picture."""

    images: ContouredImages
    t: int
    z: int
    caption: str

    @property
    def labels(self) -> NDArray[np.uint8]:
        """(y, x) of the part that is shown."""
        return np.asarray(self.images.labels[self.t, self.z][self.images.cut])


@dataclass(frozen=True, slots=True)
class Grid:
    """Equal cells in rows and columns, in pixels."""

    columns: int
    rows: int
    width: int
    height: int

    @classmethod
    def of(cls, tiles: Sequence[Tile], columns: int | None = None) -> Grid:
        """The grid in which tiles of the first one's proportions are largest, the squarest of equal ones."""
        width, height = _true_size(tiles[0].images)
        grids = [
            (columns, -(-len(tiles) // columns))
            for columns in ([columns] if columns else range(1, len(tiles) + 1))
        ]
        scales = {
            (n, m): min(WIDEST_PX / n / width, HIGHEST_PX / m / height, LARGEST_SCALE) for n, m in grids
        }
        best = max(grids, key=lambda of: (scales[of], -abs(of[0] * width - of[1] * height)))
        return cls(*best, round(width * scales[best]), round(height * scales[best]))


def loop_pictures(context: ResultContext[AnyAnalysed], images: ContouredImages) -> Iterator[Image.Image]:
    """A picture of each phase, in which every slice has a place."""
    slices = images.slices
    for t in range(len(images.labels)):
        tiles = [Tile(images, t, z, _slice_caption(images, z)) for z in slices]
        yield _picture(context, images.title, tiles, Grid.of(tiles), _phase_text(images, t))


def panels_picture(context: ResultContext[AnyAnalysed], all_images: Sequence[ContouredImages]) -> Image.Image:
    """One picture of the key frames of all images."""
    first = all_images[0]
    is_table = len(all_images) == 1 and len(first.key_frames) > 1 and len(first.key_slices) > 1
    columns = min(MOST_SLICES, len(first.key_slices)) if is_table else None
    is_named = len(all_images) > 1
    tiles = [tile for images in all_images for tile in _key_tiles(images, columns, is_named=is_named)]
    title = context.plan.title if is_named else first.title
    return _picture(context, title, tiles, Grid.of(tiles, columns), "")


def _key_tiles(images: ContouredImages, most: int | None, *, is_named: bool) -> Iterator[Tile]:
    """Every key frame, in so many slices at most."""
    slices = images.key_slices if most is None else _spread(images.key_slices, most)
    name = images.title if is_named else ""
    for frame in images.key_frames:
        for z in slices:
            caption = ", ".join(filter(None, (name, frame.title, _slice_caption(images, z))))
            yield Tile(images, frame.t, z, caption)


def _spread(slices: Sequence[int], most: int) -> list[int]:
    if len(slices) <= most:
        return list(slices)
    return [slices[round(place)] for place in np.linspace(0, len(slices) - 1, most)]


def _slice_caption(images: ContouredImages, z: int) -> str:
    return f"slice {z + 1}" if images.labels.shape[1] > 1 else ""


def _phase_text(images: ContouredImages, t: int) -> str:
    time = "" if images.times_ms is None else f", {images.times_ms[t]:.0f} ms"
    keys = "".join(f": {frame.title}" for frame in images.key_frames if frame.t == t)
    return f"Frame {t + 1} of {len(images.labels)}{time}{keys}"


def standing_text(analysis: Analysed) -> str:
    """Who stands for the numbers."""
    verification = analysis.verification
    if verification is None:
        return "AI, not verified"
    if analysis.model.is_hand:
        return "Drawn by a reader"
    return "Corrected and accepted by a reader" if verification.changed else "Accepted by a reader"


def doubt_text(findings: Sequence[Finding]) -> str:
    """How many findings there are of each severity, and the gravest one.

    >>> doubt_text(())
    'Nothing was noticed that makes the numbers doubtful.'
    """
    if not findings:
        return "Nothing was noticed that makes the numbers doubtful."
    order = list(SEVERITY_WORDS)
    gravest = min(findings, key=lambda finding: order.index(finding.severity))
    counted = Counter(SEVERITY_WORDS[finding.severity][0] for finding in findings)
    counts = ", ".join(f"{word}: {counted[word]}" for word, _ in SEVERITY_WORDS.values() if word in counted)
    return f"{counts}. {gravest.message}"


def number_text(number: ShownNumber, measurement: Measurement) -> str:
    """A number with its unit and interval."""
    form = f".{number.decimals}f"
    interval = measurement.interval
    bounds = "" if interval is None else f" ({bounds_text(interval, form)})"
    return f"{number.title} {measurement.value:{form}} {measurement.unit}{bounds}"


def _picture(
    context: ResultContext[AnyAnalysed], title: str, tiles: Sequence[Tile], grid: Grid, phase: str
) -> Image.Image:
    width = _even(max(NARROWEST_PX, grid.columns * grid.width))
    height = _even(_HEADER_PX + grid.rows * grid.height + _FOOTER_PX)
    canvas = Image.new("RGB", (width, height))
    left = (width - grid.columns * grid.width) // 2
    for place, tile in enumerate(tiles):
        row, column = divmod(place, grid.columns)
        _draw_tile(canvas, tile, (left + column * grid.width, _HEADER_PX + row * grid.height), grid)
    draw = ImageDraw.Draw(canvas)
    _draw_header(draw, context, title, width)
    _draw_footer(draw, context, tiles, phase, (width, height))
    return canvas


def _even(size: int) -> int:
    return size + size % 2


def _true_size(images: ContouredImages) -> tuple[float, float]:
    """Width and height of the cut as it is shown: in columns, and in as many of them as its height takes."""
    rows, columns = images.labels.shape[2:]
    n_rows, n_columns = len(range(rows)[images.cut[0]]), len(range(columns)[images.cut[1]])
    spacing = images.spacing_mm or (1.0, 1.0)
    return float(n_columns), n_rows * spacing[0] / spacing[1]


def _draw_tile(canvas: Image.Image, tile: Tile, corner: tuple[int, int], grid: Grid) -> None:
    """The frame as large as its cell allows, in true proportion, with its contours."""
    images = tile.images
    grey = images.grey(tile.t, tile.z)[images.cut]
    true = _true_size(images)
    scale = min(grid.width / true[0], grid.height / true[1])
    size = (max(1, round(true[0] * scale)), max(1, round(true[1] * scale)))
    left, top = corner[0] + (grid.width - size[0]) // 2, corner[1] + (grid.height - size[1]) // 2
    canvas.paste(Image.fromarray(grey).resize(size, Image.Resampling.BICUBIC), (left, top))
    draw = ImageDraw.Draw(canvas)
    per_pixel = np.array(size) / grey.shape[::-1]
    for contour in images.contours:
        for outline in contour.outlines(tile.labels):
            points = outline * per_pixel + (left - 0.5, top - 0.5)
            draw.line([tuple(point) for point in points.tolist()], fill=contour.rgb, width=2, joint="curve")
    draw.text(
        (corner[0] + 4, corner[1] + 3), tile.caption, WHITE, _CAPTION, stroke_width=1, stroke_fill=(0, 0, 0)
    )


def _draw_header(
    draw: ImageDraw.ImageDraw, context: ResultContext[AnyAnalysed], title: str, width: int
) -> None:
    analysis = context.analysis
    standing = f"{standing_text(analysis)} · {NOT_FOR_CLINICAL_USE.lower()}"
    block = _LARGE.getlength(standing) + 2 * _MARGIN_PX
    draw.rectangle((0, 0, block, 30), fill=ALARM)
    draw.text((_MARGIN_PX, 4), standing, WHITE, _LARGE)
    room = width - block - 2 * _MARGIN_PX
    draw.text((width - _MARGIN_PX, 7), _fitted(title, _SMALL, room), _PALE, _SMALL, anchor="ra")
    numbers = [(n, analysis.measurement(n.name)) for n in context.plan.numbers]
    texts = [number_text(number, measurement) for number, measurement in numbers if measurement]
    line = "   ".join(texts) or "No number is given; see the findings."
    while texts and _SMALL.getlength(line) > width - 2 * _MARGIN_PX:  # a number is shown whole or not at all
        line = "   ".join(texts := texts[:-1])
    draw.text((_MARGIN_PX, 38), line, WHITE, _SMALL)


def _draw_footer(
    draw: ImageDraw.ImageDraw,
    context: ResultContext[AnyAnalysed],
    tiles: Sequence[Tile],
    phase: str,
    size: tuple[int, int],
) -> None:
    """Phase and names of the contours, what is doubtful, and which software made the picture."""
    width, top = size[0], size[1] - _FOOTER_PX + 4
    draw.text((_MARGIN_PX, top), phase, WHITE, _SMALL)
    _draw_key(draw, tiles, width - _MARGIN_PX, top, _MARGIN_PX + _SMALL.getlength(phase))
    room = width - 2 * _MARGIN_PX
    doubt = _fitted(doubt_text(context.analysis.findings), _CAPTION, room)
    draw.text((_MARGIN_PX, top + 21), doubt, WHITE, _CAPTION)
    analysis, model = context.analysis, context.analysis.model
    drawn_by = "drawn by hand" if model.is_hand else f"model {model.name} {model.version}"
    made_by = f"cvai {analysis.cvai_version}, {drawn_by}"
    draw.text((_MARGIN_PX, top + 38), _fitted(made_by, _CAPTION, room), _PALE, _CAPTION)


def _draw_key(draw: ImageDraw.ImageDraw, tiles: Sequence[Tile], right: float, top: int, left: float) -> None:
    """Names of the contours that are drawn, from right to left as far as there is room."""
    drawn = set(np.unique(np.concatenate([np.unique(tile.labels) for tile in tiles])).tolist())
    for contour in reversed(tiles[0].images.contours):
        length = _SMALL.getlength(contour.name)
        if drawn.isdisjoint(contour.labels) or right - length < left + _MARGIN_PX:
            continue
        draw.text((right, top), contour.name, contour.rgb, _SMALL, anchor="ra")
        right -= length + 2 * _MARGIN_PX


def _fitted(text: str, font: _Font, room: float) -> str:
    """``text`` cut with an ellipsis to what fits so many pixels."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"
