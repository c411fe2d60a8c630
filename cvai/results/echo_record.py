"""result.json of an ultrasound study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from cvai.errors import FileRefused
from cvai.heart.anatomy import Structure
from cvai.heart.echo_function import volume_curve_by_area_ml
from cvai.results.echo_analysis import EchoAnalysis, MeasuredLoop
from cvai.results.echo_codes import echo_coding
from cvai.results.record import Record, measured_record


def echo_record(
    analysis: EchoAnalysis,
    objects: Iterable[Record],
    timings_ms: Mapping[str, float],
    unreadable: Iterable[FileRefused] = (),
) -> Record:
    """Record of a measured ultrasound study; frames and curve are those of the first loop and its first beat.

    See ``measured_record`` for the arguments.
    """
    first = analysis.loops[0]
    return measured_record(
        analysis,
        echo_coding(analysis.view),
        frames={"ed": first.beats[0].end_diastole, "es": first.beats[0].end_systole},
        curves=_curves(first),
        objects=objects,
        timings_ms=timings_ms,
        unreadable=unreadable,
    )


def _curves(loop: MeasuredLoop) -> Record:
    """Volume by the area-length formula in every frame, where the pixels have a size."""
    spacing_mm, times_ms = loop.source.loop.spacing_mm, loop.source.loop.times_ms
    volumes_ml = None
    if spacing_mm is not None:
        length_mm = max(stack.axis.length_mm for discs in loop.discs for stack in discs.both)
        area_px = loop.segmentation.area_curve_px(Structure.LV_CAVITY)
        volumes_ml = volume_curve_by_area_ml(area_px, spacing_mm, length_mm).tolist()
    return {
        "time_ms": None if times_ms is None else times_ms.tolist(),
        "lv_ml": volumes_ml,
        "rv_ml": None,
    }
