"""Whether what a model shows of a patient speaks against its numbers: strange images, or wide intervals."""

from __future__ import annotations

from collections.abc import Iterable

from cvai.domain.difficulty import Likeness
from cvai.domain.findings import Finding, Severity
from cvai.domain.measurement import Measurement
from cvai.domain.message import joined, say, term
from cvai.domain.phases import KeyPhases
from cvai.domain.segmentation import CineSegmentation
from cvai.domain.shown import PhaseShown
from cvai.domain.uncertainty import Uncertainty
from cvai.errors import HeartRefused

WIDEST_LV_EF_POINTS = 12.0
"""Half-width beyond which an ejection fraction decides little: a normal one and one that calls for treatment
lie in the same interval."""

_NAMED = 3
"""Features that a message names."""


def key_shown(segmentation: CineSegmentation, phases: KeyPhases) -> tuple[PhaseShown, PhaseShown] | None:
    """What the model showed at end-diastole and end-systole, None where it was not asked."""
    ed, es = (segmentation.shown.get(t) for t in (phases.end_diastole, phases.end_systole))
    return None if ed is None or es is None else (ed, es)


def of_patient(
    known: Uncertainty | None,
    segmentation: CineSegmentation,
    phases: KeyPhases,
    measurements: Iterable[Measurement],
) -> Uncertainty | None:
    """Half-widths of this patient; those that hold for every patient where the model showed nothing."""
    shown = key_shown(segmentation, phases)
    if known is None or shown is None:
        return known
    return known.of_patient(*shown, {m.name: m.value for m in measurements})


def require_like_training(
    known: Uncertainty | None, segmentation: CineSegmentation, phases: KeyPhases
) -> None:
    """Refuse images so unlike those of the training that no number is to be given.

    Raises:
        HeartRefused: ``image_far_from_training``.
    """
    shown = key_shown(segmentation, phases)
    if known is None or known.adaptive is None or shown is None:
        return
    likeness = known.adaptive.likeness
    distance = likeness.distance(*shown)
    if distance > likeness.too_far:
        raise HeartRefused(
            "image_far_from_training",
            say(
                "The images are unlike any that the model was trained on: distance {distance:.1f}, at most "
                "{too_far:.1f} is measured; mostly {features}.",
                distance=distance,
                too_far=likeness.too_far,
                features=_standing_out(likeness, *shown),
            ),
            say("Check that it is a bright-blood cine; measure this study by hand."),
        )


def doubt_findings(
    known: Uncertainty | None,
    patient: Uncertainty | None,
    segmentation: CineSegmentation,
    phases: KeyPhases,
) -> tuple[Finding, ...]:
    """Warnings of strange images and of an ejection fraction with a wide interval.

    Args:
        known: as the model's card states it.
        patient: the half-widths of this patient.
        segmentation: with what the model showed.
        phases: that the numbers come from.
    """
    found = (
        _unlike(known, key_shown(segmentation, phases)),
        _wide(patient),
    )
    return tuple(finding for finding in found if finding is not None)


def _unlike(known: Uncertainty | None, shown: tuple[PhaseShown, PhaseShown] | None) -> Finding | None:
    if known is None or known.adaptive is None or shown is None:
        return None
    likeness = known.adaptive.likeness
    distance = likeness.distance(*shown)
    if distance <= likeness.unlike:
        return None
    return Finding(
        "image_unlike_training",
        Severity.WARNING,
        say(
            "The images are unlike those that the model was trained on (distance {distance:.1f}, usual "
            "is {usual:.1f}), mostly in {features}: check the contours.",
            distance=distance,
            usual=likeness.usual,
            features=_standing_out(likeness, *shown),
        ),
    )


def _standing_out(likeness: Likeness, ed: PhaseShown, es: PhaseShown) -> str:
    deviations = likeness.deviations(ed, es)
    names = sorted(deviations, key=lambda name: abs(deviations[name]), reverse=True)[:_NAMED]
    return joined(
        ", ",
        (
            say("{name} ({deviation_sd:+.1f} SD)", name=term(name), deviation_sd=deviations[name])
            for name in names
        ),
    )


def _wide(patient: Uncertainty | None) -> Finding | None:
    # An ejection fraction is known to so many points, whatever its value.
    half = None if patient is None else patient.half_width("lv_ef", 0.0)
    if half is None or half <= WIDEST_LV_EF_POINTS:
        return None
    return Finding(
        "ejection_fraction_uncertain",
        Severity.WARNING,
        say(
            "The left ventricular ejection fraction is only known to within {half:.0f} points, more than "
            "{widest:.0f}: check the contours at end-systole, mostly at the base and the "
            "apex.",
            half=half,
            widest=WIDEST_LV_EF_POINTS,
        ),
    )
