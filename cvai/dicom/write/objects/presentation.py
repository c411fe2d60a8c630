"""Contours of the key frames as a Grayscale Softcopy Presentation State (PS3.3 section A.33.1).

Viewers that support it lay it over the source images. Images in colour get none: this class does not apply to
them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

import numpy as np
from highdicom.color import CIELabColor
from pydicom import Dataset

from cvai.dicom.write.analysis import AnyAnalysed
from cvai.dicom.write.contoured import Contour, ContouredImages, KeyOutline
from cvai.dicom.write.instance import NOT_FOR_CLINICAL_USE, ResultContext, new_instance
from cvai.dicom.write.objects.contours import key_sources
from cvai.dicom.write.objects.frames import decimal_string, decimal_strings
from cvai.dicom.write.objects.painted import standing_text
from cvai.dicom.write.plan import PRESENTATION
from cvai.dicom.write.source import SourceImage, verbatim_element

SHAPES: Mapping[str, str] = MappingProxyType({"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"})
"""Presentation LUT Shape that shows values as an image of this Photometric Interpretation does."""

STANDING_LAYER = "STANDING"
"""Layer of the text that says who stands for the contours."""


def presentable(all_images: Iterable[ContouredImages]) -> list[ContouredImages]:
    """Those that one presentation state applies to: in grey, and of one Photometric Interpretation."""
    grey = [images for images in all_images if _photometric(images) in SHAPES]
    return [images for images in grey if _photometric(images) == _photometric(grey[0])]


def presentation_state(context: ResultContext[AnyAnalysed], all_images: Sequence[ContouredImages]) -> Dataset:
    """The presentation state of ``presentable`` images."""
    instance = new_instance(context, PRESENTATION)
    instance.PresentationCreationDate = instance.ContentDate
    instance.PresentationCreationTime = instance.ContentTime
    del instance.ContentDate, instance.ContentTime
    standing = f"{standing_text(context.analysis)}. {NOT_FOR_CLINICAL_USE}."
    verification = context.analysis.verification
    instance.BodyPartExamined = "HEART"
    instance.ContentLabel = "CONTOURS"
    instance.ContentDescription = standing
    instance.ContentCreatorName = None if verification is None else verification.name
    instance.ReferencedSeriesSequence = _referenced_series(key_sources(all_images))
    instance.DisplayedAreaSelectionSequence = [_displayed_area(images) for images in all_images]
    if windows := [window for images in all_images for window in _windows(images)]:
        instance.SoftcopyVOILUTSequence = windows
    layers = _layer_names(all_images)
    instance.GraphicAnnotationSequence = [
        *(_line(outline, layers) for images in all_images for outline in images.key_outlines()),
        _text(key_sources(all_images), standing),
    ]
    instance.GraphicLayerSequence = _layers(layers)
    instance.PresentationLUTShape = SHAPES[_photometric(all_images[0])]
    return instance


def _photometric(images: ContouredImages) -> str:
    return str(images.planes[0][0].header.get("PhotometricInterpretation", ""))


def _referenced_series(sources: Iterable[SourceImage]) -> list[Dataset]:
    by_series: dict[str, list[SourceImage]] = defaultdict(list)
    for source in sources:
        by_series[source.series_uid].append(source)
    items = []
    for series_uid, of_series in by_series.items():
        item = Dataset()
        item.add(verbatim_element("SeriesInstanceUID", series_uid))
        item.ReferencedImageSequence = _references(of_series)
        items.append(item)
    return items


def _references(sources: Iterable[SourceImage]) -> list[Dataset]:
    """Items that reference instances, each once with all of its frames (PS3.3 table 10-3)."""
    by_instance: dict[str, list[SourceImage]] = defaultdict(list)
    for source in sources:
        by_instance[source.sop_instance_uid].append(source)
    items = []
    for frames in by_instance.values():
        item = frames[0].reference()
        if numbers := [source.frame_number for source in frames if source.frame_number is not None]:
            item.ReferencedFrameNumber = numbers
        items.append(item)
    return items


def _displayed_area(images: ContouredImages) -> Dataset:
    """The whole image, fitted into the window (PS3.3 section C.10.4)."""
    rows, columns = images.labels.shape[2:]
    item = Dataset()
    item.ReferencedImageSequence = _references(key_sources([images]))
    item.DisplayedAreaTopLeftHandCorner = [1, 1]
    item.DisplayedAreaBottomRightHandCorner = [columns, rows]
    item.PresentationSizeMode = "SCALE TO FIT"
    if images.spacing_mm is None:
        item.PresentationPixelAspectRatio = [1, 1]
    else:
        item.PresentationPixelSpacing = decimal_strings(images.spacing_mm)
    return item


def _windows(images: ContouredImages) -> Iterator[Dataset]:
    """Window of every key frame in stored values, since the presentation state rescales nothing."""
    if images.window is None:
        return
    for frame in images.key_frames:
        for z in images.key_slices:
            low, high = sorted(images.window(frame.t, z))
            item = Dataset()
            item.ReferencedImageSequence = [SourceImage.of(images.planes[frame.t][z]).reference()]
            item.WindowCenter = decimal_string((low + high) / 2)
            item.WindowWidth = decimal_string(max(high - low, 1.0))
            yield item


def _layer_names(all_images: Iterable[ContouredImages]) -> dict[Contour, str]:
    contours = dict.fromkeys(contour for images in all_images for contour in images.contours)
    return {contour: f"CONTOUR_{number}" for number, contour in enumerate(contours, start=1)}


def _layers(names: Mapping[Contour, str]) -> list[Dataset]:
    """A layer for each structure, so that a viewer can hide it, and one for the text."""
    white = (255, 255, 255)
    described = [(name, contour.name, contour.rgb) for contour, name in names.items()]
    described.append((STANDING_LAYER, "Who stands for the contours", white))
    items = []
    for order, (name, words, rgb) in enumerate(described, start=1):
        item = Dataset()
        item.GraphicLayer = name
        item.GraphicLayerOrder = order
        item.GraphicLayerRecommendedDisplayCIELabValue = list(CIELabColor.from_rgb(*rgb).value)
        item.GraphicLayerDescription = words
        items.append(item)
    return items


def _line(outline: KeyOutline, layers: Mapping[Contour, str]) -> Dataset:
    """An outline on its image; PIXEL counts as SCOORD does (PS3.3 section C.10.5.1.2)."""
    graphic = Dataset()
    graphic.GraphicAnnotationUnits = "PIXEL"
    graphic.GraphicDimensions = 2
    graphic.NumberOfGraphicPoints = len(outline.outline)
    graphic.GraphicData = outline.outline.astype(np.float32).ravel().tolist()
    graphic.GraphicType = "POLYLINE"
    graphic.GraphicFilled = "N"
    item = Dataset()
    item.ReferencedImageSequence = [SourceImage.of(outline.plane).reference()]
    item.GraphicLayer = layers[outline.contour]
    item.GraphicObjectSequence = [graphic]
    return item


def _text(sources: Iterable[SourceImage], words: str) -> Dataset:
    """A line of text at the top left of what is displayed, on every image."""
    text = Dataset()
    text.BoundingBoxAnnotationUnits = "DISPLAY"
    text.UnformattedTextValue = words
    text.BoundingBoxTopLeftHandCorner, text.BoundingBoxBottomRightHandCorner = [0.02, 0.02], [0.98, 0.06]
    text.BoundingBoxTextHorizontalJustification = "LEFT"
    item = Dataset()
    item.ReferencedImageSequence = _references(sources)
    item.GraphicLayer = STANDING_LAYER
    item.TextObjectSequence = [text]
    return item
