"""A short-axis cine on the reader's page: two ventricles, the wall between them, and its segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cvai.analyses.cine_sax.analysis import inward_curve_name, strain_curve_name, thickening_curve_name
from cvai.analyses.cine_sax.reading import ReopenedCine, shown_cine
from cvai.analyses.page import (
    Chamber,
    Curve,
    CurveLine,
    Headline,
    Layer,
    Live,
    Mass,
    Number,
    RecordedCurve,
    RecordedLine,
    Row,
    Section,
    SlicePart,
    Statement,
    Table,
)
from cvai.analyses.shown import Score, Scores, Wall
from cvai.analyses.spec import PageSpec
from cvai.dicom.write.report.bullseye import (
    Bullseye,
    motion_bullseye,
    thickening_bullseye,
    thickness_bullseye,
    timing_bullseye,
)
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.measurement import Measurement
from cvai.domain.message import Message, joined, say, term
from cvai.domain.ventricles.circumferential import Layer as StrainLayer
from cvai.domain.ventricles.segments import WALL_SEGMENTS
from cvai.domain.ventricles.thickening import thickening_name, time_name
from cvai.domain.ventricles.wall_motion import INDEX, MOTION_NAMES, MotionGrade, motion_name
from cvai.domain.ventricles.wall_thickness import measurement_name
from cvai.domain.volumes import MYOCARDIAL_DENSITY_G_PER_ML
from cvai.languages import msgid

_CAVITY, _WALL, _RIGHT = (
    SAX_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.RV_CAVITY)
)
# Okabe and Ito's vermillion, bluish green and sky blue, lighter than in the objects: the ground is black.
_INSIDE_COLOUR, _OUTSIDE_COLOUR, _RIGHT_COLOUR = "#ff7a1a", "#00c08b", "#56b4e9"

HEADLINE = Headline("lv_ef", "LV ejection fraction", "LVEF", "%")
COMPARED = ("lv_ef", "lv_edv", "lv_esv", "lv_sv", "lv_mass", "rv_ef", "rv_edv", "rv_esv", "rv_sv", INDEX)
"""Indexed measurements and those of wall segments follow from them or are many."""

_LAYERS = (
    Layer("endo", "LV inside", _INSIDE_COLOUR, (_CAVITY,), leaves=_WALL),
    Layer("epi", "LV outside", _OUTSIDE_COLOUR, (_WALL, _CAVITY)),
    Layer("rv", "RV", _RIGHT_COLOUR, (_RIGHT,), spares=(_CAVITY, _WALL)),
)
_TABLE = Table(
    columns=("Left", "Right"),
    rows=(
        Row("End-diastolic volume", ("lv_edv", "rv_edv")),
        Row("End-systolic volume", ("lv_esv", "rv_esv")),
        Row("Stroke volume", ("lv_sv", "rv_sv")),
        Row("Ejection fraction", ("lv_ef", "rv_ef"), decimals=1),
        Row("Cardiac output", ("lv_co", "rv_co"), decimals=1),
        Row("Myocardial mass", ("lv_mass", "")),
    ),
)
_STRAIN = Section(
    "Circumferential strain",
    Table(
        columns=("Endocardial", "Mid-wall"),
        rows=(
            Row("Peak", ("lv_gcs_endo", "lv_gcs_mid"), decimals=1),
            Row("Time to peak, from ED", ("lv_time_to_gcs_endo", "lv_time_to_gcs_mid")),
            Row("Early diastolic rate", ("lv_gcs_rate_early_endo", "lv_gcs_rate_early_mid")),
        ),
    ),
    RecordedCurve(
        "Circumferential strain",
        "%",
        (
            RecordedLine(strain_curve_name(StrainLayer.ENDOCARDIUM), "endocardial", _INSIDE_COLOUR),
            RecordedLine(strain_curve_name(StrainLayer.MID_WALL), "mid-wall", _RIGHT_COLOUR, dashed=True),
        ),
    ),
    note="From the length of the contours in slices with a closed wall throughout the beat. Not graded.",
)
_TIMING = Section(
    "Ejection and filling",
    Table(
        columns=("Ejection", "Filling"),
        rows=(
            Row("Peak rate", ("lv_per", "lv_pfr")),
            Row("Peak rate by EDV", ("lv_per_by_edv", "lv_pfr_by_edv"), decimals=1),
            Row("Time to peak, from ED and ES", ("lv_time_to_per", "lv_time_to_pfr")),
            Row("End-diastole to end-systole", ("lv_time_to_es", "")),
            Row("Diastole until 80 % of SV is back", ("", "lv_dvr80")),
        ),
    ),
    note="Filling in the first half of diastole. Not graded.",
)
_SIGNED = (
    Number("lv_ef", "LV ejection fraction"),
    Number("lv_edv", "LV end-diastolic volume", 0),
    Number("lv_esv", "LV end-systolic volume", 0),
    Number("lv_mass", "LV mass", 0),
    Number("rv_ef", "RV ejection fraction"),
    Number(INDEX, "Wall motion score index", 2),
)


SCORES = {name: tuple(map(float, MotionGrade)) for name in MOTION_NAMES}
_SCORES = joined(", ", (joined(" ", (str(grade), term(grade.display_name))) for grade in MotionGrade))
_PLAYING = (
    Bullseye("Thickening now (%)", {}, 0.0, 120.0, {s: thickening_curve_name(s) for s in WALL_SEGMENTS}),
    Bullseye("Inward motion now (%)", {}, 0.0, 60.0, {s: inward_curve_name(s) for s in WALL_SEGMENTS}),
)
_SLICE_PARTS = tuple(
    SlicePart(
        layer,
        title,
        title[0].lower(),
        (
            Number(f"{prefix}_ef", "EF"),
            Number(f"{prefix}_edv", "EDV", 0),
            Number(f"{prefix}_esv", "ESV", 0),
        ),
    )
    for layer, title, prefix in (("epi", "LV", "lv"), ("rv", "RV", "rv"))
)

_IMPRESSION = tuple(
    Statement(
        f"{side} ventricle",
        (
            Number(f"{prefix}_ef", "ejection fraction", 0),
            Number(f"{prefix}_edv", "end-diastolic volume", 0),
            Number(f"{prefix}_esv", "end-systolic volume", 0),
            Number(f"{prefix}_mass", "myocardial mass", 0),
        ),
    )
    for side, prefix in (("Left", "lv"), ("Right", "rv"))
)


@dataclass(frozen=True, slots=True)
class _Measurements:
    by_name: dict[str, Measurement]

    def measurement(self, name: str) -> Measurement | None:
        return self.by_name.get(name)


def wall_of(measurements: Sequence[Measurement]) -> Wall:
    """Thickness at both key phases and thickening of every segment."""
    measured = _Measurements({m.name: m for m in measurements})
    thickening = thickening_bullseye(measured)
    bullseyes = (
        thickness_bullseye(measured),
        thickening,
        timing_bullseye(measured),
        motion_bullseye(measured),
    )

    rows = []
    for segment in WALL_SEGMENTS:
        thickness = (measured.measurement(measurement_name(segment, phase)) for phase in ("ed", "es"))
        ed_mm, es_mm = (None if m is None else m.value for m in thickness)
        others = (measured.measurement(name(segment)) for name in (thickening_name, time_name, motion_name))
        values = (
            ed_mm,
            es_mm,
            thickening.values.get(segment),
            *(None if m is None else m.value for m in others),
        )
        rows.append((f"{segment.number} {segment.display_name}", values))
    return Wall(
        title="Wall of the left ventricle",
        bullseyes=tuple(bullseye for bullseye in bullseyes if bullseye.values),
        columns=(
            ("ED mm", 1),
            ("ES mm", 1),
            ("Thickening %", 0),
            ("Peak %", 0),
            ("Peak after ED ms", 0),
            ("Motion score", 0),
        ),
        rows=tuple(rows),
        note=_note(measured),
        missing="Not measured: no slice shows a closed ring of wall with its septum.",
        playing=_PLAYING,
    )


def motion_scores(measurements: Sequence[Measurement]) -> Scores:
    """The grade of every segment's motion."""
    measured = {m.name: m for m in measurements}
    return Scores(
        title=msgid("Wall motion by segment"),
        scores=tuple(
            Score(name, segment.display_name, _in_words(measured.get(name)))
            for segment, name in zip(WALL_SEGMENTS, MOTION_NAMES, strict=True)
        ),
        options=tuple((float(grade), grade.display_name) for grade in MotionGrade),
        given=(msgid("1 grade given"), msgid("{n} grades given")),
    )


def _note(measured: _Measurements) -> Message:
    """Indices of the whole wall, and what is not seen of it."""
    sentences = []
    if (motion := measured.measurement(INDEX)) is not None:
        template = msgid("Wall motion score index: {index:.2f} ({scores}).")
        sentences.append(say(template, index=motion.value, scores=_SCORES))
    if (found := measured.measurement("lv_dyssynchrony")) is not None:
        template = msgid("Dyssynchrony index (SD of times to peak): {index_ms:.0f} ms.")
        sentences.append(say(template, index_ms=found.value))
    sentences.append(say(msgid("Segment 17, the apical cap, is not seen in short axis.")))
    return joined(" ", sentences)


def _in_words(score: Measurement | None) -> str:
    """A grade with the range of scores that its measurement leaves open.

    >>> _in_words(Measurement("lv_wall_motion_mid_anterior", 2.0, "{score}", (1.0, 3.0)))
    'hypokinetic (1–3)'
    """
    if score is None:
        return say(msgid("not graded"))
    grade = term(MotionGrade(int(score.value)).display_name)
    if score.interval is None:
        return grade
    best, worst = score.interval
    range_of = "{grade} ({best:.0f}–{worst:.0f})"
    return say(range_of, grade=grade, best=best, worst=worst) if best != worst else grade


PAGE: PageSpec[ReopenedCine] = PageSpec(
    viewer="stack",
    shown=shown_cine,
    layers=_LAYERS,
    curve=Curve(
        "Volume over the beat",
        "volume",
        (CurveLine(_CAVITY, _INSIDE_COLOUR), CurveLine(_RIGHT, _RIGHT_COLOUR, dashed=True)),
    ),
    table=_TABLE,
    sections=(_STRAIN, _TIMING),
    signed=_SIGNED,
    impression=_IMPRESSION,
    live=Live(
        chambers=(Chamber("lv", _CAVITY), Chamber("rv", _RIGHT)),
        masses=(Mass("lv_mass", _WALL, MYOCARDIAL_DENSITY_G_PER_ML),),
    ),
    crossings="Long axis",
    slice_parts=_SLICE_PARTS,
    carried=("phases", "slices"),
    wall=wall_of,
    scores=motion_scores,
    note="Papillary muscles count as cavity.",
    reasons=("Wrong series", "Contours do not follow the heart", "Base or apex missed", "Image quality"),
)
