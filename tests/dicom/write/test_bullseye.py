from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydicom.sr.codedict import codes as standard

from cvai.dicom.write.codes import WALL_SEGMENT_CODES
from cvai.dicom.write.plan import ResultKind
from cvai.dicom.write.report.bullseye import (
    Bullseye,
    draw_bullseye,
    scale_colour,
    thickening_bullseye,
    thickness_bullseye,
)
from cvai.dicom.write.report.page import Box, Page
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.wall_thickness import measurement_name
from tests.dicom.write.synthetic import Written, make_analysis


def test_a_bullseye_shows_what_was_measured() -> None:
    analysis = make_analysis()
    ed, thickening = thickness_bullseye(analysis), thickening_bullseye(analysis)
    assert ed.values
    for segment, mm in ed.values.items():
        measured = analysis.measurement(measurement_name(segment, "ed"))
        assert measured is not None
        assert mm == measured.value
    for segment, percent in thickening.values.items():
        es = analysis.measurement(measurement_name(segment, "es"))
        assert es is not None
        assert percent == pytest.approx(100 * (es.value / ed.values[segment] - 1))


def test_a_darker_colour_always_means_more() -> None:
    lightness = [sum(scale_colour(share)) for share in np.linspace(0, 1, 50)]
    assert all(a > b for a, b in pairwise(lightness))


def test_values_beyond_the_scale_keep_its_ends() -> None:
    bullseye = Bullseye("mm", {}, 4.0, 16.0)
    assert (bullseye.share(-3.0), bullseye.share(10.0), bullseye.share(99.0)) == (0.0, 0.5, 1.0)


def test_every_segment_lies_where_a_reader_expects_it() -> None:
    """Anterior on top, septum on the left, and the numbers in the order they were published in."""
    place = {}

    class Recorder(Page):
        def text(self, x: float, baseline: float, text: str, *_: object, **__: object) -> None:
            place[text] = (x, baseline)

    values = {segment: float(segment.number) for segment in WALL_SEGMENTS}
    draw_bullseye(Recorder("test"), Box(0, 0, 100, 100), Bullseye("mm", values, 0, 20))
    for top, bottom in (("1", "4"), ("7", "10"), ("13", "15")):
        assert place[top][0] == pytest.approx(50)
        assert place[top][1] < 50 < place[bottom][1]
    for left, right in (("2", "6"), ("3", "5"), ("8", "12"), ("9", "11"), ("14", "16")):
        assert place[left][0] < 50 < place[right][0]
    assert place["2"][1] < 50 < place["3"][1]


def test_segments_carry_the_codes_of_the_context_group() -> None:
    by_meaning = {
        code.meaning.lower(): code.value
        for name in standard.CID3717.dir()
        if (code := getattr(standard.CID3717, name))
    }
    for segment in WALL_SEGMENTS:
        code = WALL_SEGMENT_CODES[segment.number]
        assert by_meaning[f"left ventricle {segment.display_name} segment"] == code.value
        assert code.meaning == f"left ventricle {segment.display_name} segment"


def test_the_document_has_a_group_for_every_measured_segment(written: Written) -> None:
    document = written.read(ResultKind.SR)
    titles = {e.value for e in document.iterall() if e.keyword == "TextValue"}
    measured = {m.name for m in written.analysis.measurements}
    for segment in WALL_SEGMENTS:
        is_measured = any(measurement_name(segment, phase) in measured for phase in ("ed", "es"))
        assert (f"Wall segment {segment.number}, {segment.display_name}" in titles) is is_measured
