"""Late enhancement on the reader's page: the wall, the infarct within it, and no-reflow within that."""

from __future__ import annotations

from collections.abc import Sequence

from cvai.analyses.late_enhancement.bullseyes import infarct_bullseyes
from cvai.analyses.late_enhancement.objects import RULES, TRANSMURALITY
from cvai.analyses.late_enhancement.reading import ReopenedEnhancement, shown_enhancement
from cvai.analyses.page import Headline, Layer, Number, Row, Section, Statement, Table
from cvai.analyses.shown import Wall
from cvai.analyses.spec import PageSpec
from cvai.domain.measurement import Measurement
from cvai.domain.message import joined, say, term
from cvai.domain.tissue.segments import share_name
from cvai.domain.tissue.shares import CAVITY, HEALTHY, INFARCT, NO_REFLOW
from cvai.domain.ventricles.segments import WALL_SEGMENTS, Level
from cvai.languages import msgid

_NO_REFLOW_COLOUR, _INFARCT_COLOUR = "#56b4e9", "#f0e442"
_INSIDE_COLOUR, _OUTSIDE_COLOUR = "#ff7a1a", "#00c08b"

HEADLINE = Headline("infarct_share", "Infarct, share of the myocardium", "Infarct", "%")
COMPARED = ("infarct_share", "no_reflow_share", "transmural_share", "infarct_mass", "lv_mass")

_APICAL_CAP = msgid("Segment 17, the apical cap, is the wall beyond the slices with a cavity.")
_LEVELS = Section(
    "Infarct by level",
    Table(
        columns=tuple(level.capitalize() for level in Level),
        rows=(Row("Share of myocardium", tuple(share_name(level) for level in Level), decimals=1),),
    ),
    note="Levels are thirds of the slices that show the cavity.",
)


def wall_of(measurements: Sequence[Measurement]) -> Wall:
    """Share and transmurality of the infarct in every segment."""
    values = {measurement.name: measurement.value for measurement in measurements}
    share, depth = infarct_bullseyes(values)
    return Wall(
        title="Infarct by segment",
        bullseyes=(share, depth) if share.values else (),
        columns=(("Infarct %", 0), ("Transmurality %", 0)),
        rows=(
            *(
                (f"{s.number} {s.display_name}", (share.values.get(s), depth.values.get(s)))
                for s in WALL_SEGMENTS
            ),
            ("17 apical cap", (share.cap, None)),
        ),
        note=joined(" ", (term(TRANSMURALITY), say(_APICAL_CAP))),
        missing="No segment is named without a cine that shows the septum; see the findings.",
    )


PAGE: PageSpec[ReopenedEnhancement] = PageSpec(
    viewer="stack",
    shown=shown_enhancement,
    layers=(
        Layer("no_reflow", "No-reflow", _NO_REFLOW_COLOUR, (NO_REFLOW,), spares=(CAVITY,), leaves=INFARCT),
        Layer("infarct", "Infarct", _INFARCT_COLOUR, (INFARCT, NO_REFLOW), spares=(CAVITY,), leaves=HEALTHY),
        Layer("inside", "Inside", _INSIDE_COLOUR, (CAVITY,), leaves=HEALTHY),
        Layer("outside", "Outside", _OUTSIDE_COLOUR, (HEALTHY, INFARCT, NO_REFLOW, CAVITY)),
    ),
    table=Table(
        columns=("Value",),
        rows=(
            Row("Infarct, share of myocardium", ("infarct_share",), decimals=1),
            Row("No-reflow, share of myocardium", ("no_reflow_share",), decimals=1),
            Row("Transmural, share of circumference", ("transmural_share",)),
            Row("5 SD, share of myocardium", ("enhanced_share_5sd",), decimals=1),
            Row("FWHM, share of myocardium", ("enhanced_share_fwhm",), decimals=1),
            Row("Infarct mass", ("infarct_mass",), decimals=1),
            Row("Myocardial mass", ("lv_mass",)),
        ),
    ),
    signed=(
        Number("infarct_share", "Infarct, share of the myocardium"),
        Number("no_reflow_share", "No-reflow, share of the myocardium"),
        Number("infarct_mass", "Infarct mass"),
    ),
    sections=(_LEVELS,),
    wall=wall_of,
    impression=(
        Statement(
            "Late enhancement",
            (
                Number("infarct_share", "infarct, share of the myocardium", 0),
                Number("infarct_mass", "infarct mass", 0),
                Number("transmural_share", "transmural, share of the circumference", 0),
                Number("no_reflow_share", "no-reflow, share of the myocardium", 0),
            ),
        ),
    ),
    note=RULES,
    reasons=(
        "Wrong series",
        "Contours do not follow the heart",
        "Artefact taken for infarct",
        "Image quality",
    ),
)
