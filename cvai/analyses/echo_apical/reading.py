"""Analysed loops opened again for a reader, and measured with what the reader made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cvai import __version__
from cvai.analyses.echo_apical.analysis import ESV, EchoAnalysis, MeasuredLoop
from cvai.analyses.echo_apical.besides import SQUARE_PX
from cvai.analyses.echo_apical.by_hand import drawn_loop, first_beat, nothing_drawn, stated_loops
from cvai.analyses.echo_apical.measure import (
    discs_of_beat,
    fraction_by_own_length,
    measured,
    volumes_of,
    with_atria_and_strain,
    with_beats,
    with_beats_found,
)
from cvai.analyses.echo_apical.objects import LOOP_KINDS, SEGMENTS
from cvai.analyses.shown import FewFrames
from cvai.analyses.spec import Correction
from cvai.dicom.read.ultrasound.loops import AssembledLoop, LoopSelection, assemble_loop, select_loops
from cvai.dicom.read.ultrasound.stages import loop_left_out
from cvai.dicom.read.values import Excluded, ImagePlane, Study
from cvai.dicom.write.objects.labels import of_other_images, read_labels, source_instance_of
from cvai.domain.echo.function import KeyDiscs, measure_echo
from cvai.domain.echo.loop import LoopSegmentation
from cvai.domain.echo.not_drawn import missing_in
from cvai.domain.echo.views import EchoView
from cvai.domain.measurement import Measurement
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedLoop:
    """An ultrasound loop, and the labels (t, y, x) that one analysis drew on it."""

    view: EchoView
    source: AssembledLoop
    labels: NDArray[np.uint8]

    def segmentation(self, labels: NDArray[np.uint8]) -> LoopSegmentation:
        """These labels (t, y, x) as of its view, which is not asked about again."""
        return LoopSegmentation(labels, self.view, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class ReopenedLoops:
    """A study and the loops that were measured, four-chamber view first.

    ``selection`` are the loops that might have been.
    """

    study: Study
    loops: tuple[ReopenedLoop, ...]
    selection: LoopSelection

    @property
    def planes(self) -> tuple[tuple[ImagePlane, ...], ...]:
        """(t)(1) the images that were measured, loop after loop."""
        return tuple((image,) for loop in self.loops for image in loop.source.images)

    @property
    def excluded(self) -> tuple[Excluded, ...]:
        """What was not measured; why one loop was preferred to another is not known any more."""
        measured_uids = {loop.source.images[0].sop_instance_uid for loop in self.loops}
        others = (i for i in self.selection.loops if i[0].sop_instance_uid not in measured_uids)
        return (
            *self.selection.excluded,
            *(loop_left_out(images, say("another loop was measured")) for images in others),
        )


def reopen_loops(study: Study, files: Mapping[str, Path]) -> ReopenedLoops:
    """The loops as they were read for their analysis.

    Args:
        study: with every image.
        files: the segmentation of each view, by its kind; none where the study is read by hand.

    Raises:
        Refused: ``segmentation_of_other_images``, or as ``assemble_loop``.
    """
    selection = select_loops(study)
    if study.is_read_by_hand:
        stated = stated_loops(study, selection)
        empty = (ReopenedLoop(view, of, nothing_drawn(view, of.loop).labels) for view, of in stated)
        return ReopenedLoops(study, tuple(empty), selection)
    loops = {images[0].sop_instance_uid: images for images in selection.loops}
    reopened = []
    for view, kind in LOOP_KINDS.items():
        if kind not in files:
            continue
        images = loops.get(source_instance_of(files[kind]))
        if images is None:
            raise of_other_images()
        labels = read_labels(files[kind], tuple((image,) for image in images), SEGMENTS)
        reopened.append(ReopenedLoop(view, assemble_loop(images), labels[:, 0]))
    return ReopenedLoops(study, tuple(reopened), selection)


def labels_of(reopened: ReopenedLoops) -> dict[str, NDArray[np.uint8]]:
    """(t, 1, y, x) of every view, as the model drew them."""
    return {loop.view.value: loop.labels[:, None] for loop in reopened.loops}


def measured_loops(reopened: ReopenedLoops) -> tuple[MeasuredLoop, ...]:
    """The loops as the model's labels measure them; as they were opened where the study is read by hand.

    Raises:
        HeartRefused: as of their analysis.
    """
    if reopened.study.is_read_by_hand:
        return tuple(
            drawn_loop(loop.source, loop.segmentation(loop.labels), (first_beat(loop.source.loop),))
            for loop in reopened.loops
        )
    return tuple(
        with_atria_and_strain(with_beats_found(loop.source, loop.segmentation(loop.labels)))
        for loop in reopened.loops
    )


def remeasured_loops(reopened: ReopenedLoops, correction: Correction) -> EchoAnalysis:
    """The analysis as the reader left it: their contours, their beats, measured anew.

    Of a study that is read by hand, loops in which nothing is drawn are left out, unless all are so.

    Raises:
        HeartRefused: ``mitral_plane_not_found``, ``no_ejection``.
    """
    corrected = tuple(
        _corrected(loop, correction, by_hand=reopened.study.is_read_by_hand) for loop in reopened.loops
    )
    loops = tuple(loop for loop in corrected if loop.segmentation.labels.any()) or corrected
    undrawn = (loop for loop in corrected if loop not in loops)

    def is_corrected(loop: ReopenedLoop, t: int) -> bool:
        return not np.array_equal(correction.labels[loop.view.value][t, 0], loop.labels[t])

    found = measured(
        reopened.study,
        loops,
        esv_factor=_esv_factor(reopened.loops, correction.beats, correction.factors, is_corrected),
        first_findings=reopened.selection.findings,
    )
    return EchoAnalysis(
        **found,
        study_uid=reopened.study.study_uid,
        patient=reopened.study.patient(),
        loops=loops,
        excluded=(
            *reopened.excluded,
            *(loop_left_out(loop.source.images, say("nothing is drawn in it")) for loop in undrawn),
        ),
        model=correction.model,
        cvai_version=__version__,
        timings_ms={},
        verification=correction.verification,
    )


def previewed_loops(reopened: ReopenedLoops, few: FewFrames) -> tuple[Measurement, ...]:
    """Volumes and ejection fraction of loops of which few frames were drawn anew.

    None of a study that is read by hand as long as a phase is not drawn.

    Raises:
        HeartRefused: ``mitral_plane_not_found``, ``no_ejection``.
    """
    if reopened.study.is_read_by_hand and not all(_is_drawn(loop, few) for loop in reopened.loops):
        return ()
    discs = {loop.view: _discs(loop, few) for loop in reopened.loops}
    calibrated = all(loop.source.loop.spacing_mm is not None for loop in reopened.loops)

    def is_corrected(loop: ReopenedLoop, t: int) -> bool:
        return not np.array_equal(_frame(loop, few, t), loop.labels[t])

    factor = _esv_factor(reopened.loops, few.beats, few.factors, is_corrected)
    measured_ml = volumes_of(discs, factor)
    return (
        *measure_echo(measured_ml, None, calibrated=calibrated),
        fraction_by_own_length(discs, factor),
    )


def _is_drawn(loop: ReopenedLoop, few: FewFrames) -> bool:
    frames = (t for beat in few.beats[loop.view.value] for t in (beat.end_diastole, beat.end_systole))
    return not any(missing_in(_frame(loop, few, t)) for t in frames)


def _discs(loop: ReopenedLoop, few: FewFrames) -> tuple[KeyDiscs, ...]:
    spacing = loop.source.loop.spacing_mm or SQUARE_PX
    frame = partial(_frame, loop, few)
    return tuple(discs_of_beat(loop.view, beat, frame, spacing) for beat in few.beats[loop.view.value])


def _frame(loop: ReopenedLoop, few: FewFrames, t: int) -> NDArray[np.uint8]:
    drawn = few.labels.get((loop.view.value, t))
    return loop.labels[t] if drawn is None else drawn


def _corrected(loop: ReopenedLoop, correction: Correction, *, by_hand: bool) -> MeasuredLoop:
    view = loop.view.value
    segmentation = loop.segmentation(np.ascontiguousarray(correction.labels[view][:, 0]))
    if by_hand:
        return drawn_loop(loop.source, segmentation, correction.beats[view])
    return with_atria_and_strain(with_beats(loop.source, segmentation, correction.beats[view]))


def _esv_factor(
    loops: Sequence[ReopenedLoop],
    beats: Mapping[str, tuple[KeyPhases, ...]],
    factors: Mapping[str, float],
    is_corrected: Callable[[ReopenedLoop, int], bool],
) -> float:
    """The model's, as long as every end-systole is drawn by the model: it makes up for how models draw it."""
    end_systoles = ((loop, beat.end_systole) for loop in loops for beat in beats[loop.view.value])
    return 1.0 if any(is_corrected(loop, t) for loop, t in end_systoles) else factors.get(ESV, 1.0)
