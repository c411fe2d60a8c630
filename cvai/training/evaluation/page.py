"""The evaluation as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from cvai import __version__
from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.training.evaluation.cells import SHORT_NAMES, Grid, grids
from cvai.training.evaluation.scores import PHASES
from cvai.training.evaluation.summary import Evaluation

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; max-width: 1120px;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.2rem 0 .4rem; }
p { margin: .3rem 0; } .quiet { color: #5b6675; font-size: .88rem; overflow-wrap: anywhere; }
.warn { color: #a11; font-weight: 600; }
.facts { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.2rem 0; padding: 0; list-style: none; }
.facts li { border: 1px solid #d5dbe3; border-radius: 6px; padding: .5rem .9rem; min-width: 8rem; }
.facts b { display: block; font-size: 1.3rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .92rem; }
th, td { padding: .25rem .8rem; text-align: right; border-bottom: 1px solid #e4e8ee; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
thead th { border-bottom: 2px solid #aab4c0; }
img { max-width: 100%; } figure { margin: 1rem 0 1.6rem; }
"""

_DEFINITIONS = (
    ("Dice", "2|A∩B| / (|A|+|B|). Not counted where both are empty; 0 where one is."),
    (
        "HD95",
        "larger of the two directed 95th percentiles of surface distance, in 3-D with the true spacing. "
        "Not counted where either is empty.",
    ),
    (
        "Level",
        "thirds of the slices that hold left ventricle in the reference; slices beyond go with the nearest.",
    ),
    ("Limits of agreement", "bias ± 1.96 SD of the differences."),
    ("Interval", "95 % percentile bootstrap over patients, seeded; none for fewer than five patients."),
    ("Refused", "no heart was found: Dice 0, and no volumes to compare."),
)


def page(evaluation: Evaluation, pictures: Mapping[str, bytes]) -> str:
    """The whole report.

    Args:
        evaluation: what is told.
        pictures: PNG files by title, in the order they are shown.
    """
    model = evaluation.model
    title = f"{model.name} {model.version}"
    body = "\n".join(
        (
            _head(evaluation),
            _facts(evaluation),
            *(_section(grid) for grid in grids(evaluation)),
            *(_picture(name, png) for name, png in pictures.items()),
            _definitions(),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Evaluation of {escape(title)}</title>"
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>\n{body}\n</body></html>\n"
    )


def _head(evaluation: Evaluation) -> str:
    model = evaluation.model
    refused = "".join(
        f'<p class="warn">No heart found: {escape(s.patient)} {s.phase} ({escape(str(s.refused))})</p>'
        for s in evaluation.refused
    )
    return (
        f"<h1>Evaluation of {escape(model.name)} {escape(model.version)}</h1>"
        f'<p class="quiet">{len(evaluation.patients)} validation patients of {escape(evaluation.split)} · '
        f"SHA-256 {model.sha256} · {escape(model.provider)} · cvai {__version__} · "
        f"Research, not for clinical use</p>{refused}"
    )


def _facts(evaluation: Evaluation) -> str:
    """The numbers that a reader looks for first."""
    facts = [
        (f"Dice {SHORT_NAMES[structure]}, {' / '.join(PHASES)}", _dice_by_phase(evaluation, structure))
        for structure in SAX_LABELS
    ]
    for name, title in (("lv_ef", "LV EF"), ("rv_ef", "RV EF")):
        agreement = evaluation.agreement.get(name)
        if agreement is not None and agreement.sd.value is not None:
            facts.append((f"{title}, bias ± SD", f"{agreement.bias.value:+z.1f} ± {agreement.sd.value:.1f}"))
    items = "".join(f"<li>{escape(title)}<b>{escape(value)}</b></li>" for title, value in facts)
    return f'<ul class="facts">{items}</ul>'


def _dice_by_phase(evaluation: Evaluation, structure: Structure) -> str:
    means = [evaluation.overall.dice[phase][structure].mean.value for phase in PHASES]
    return " / ".join("–" if mean is None else f"{mean:.3f}" for mean in means)


def _section(grid: Grid) -> str:
    header = "".join(f"<th>{escape(name)}</th>" for name in grid.header)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in grid.rows)
    return (
        f"<h2>{escape(grid.title)}</h2>"
        f'<div class="scroll"><table><thead><tr>{header}</tr></thead><tbody>{rows}</tbody></table></div>'
        f'<p class="quiet">{escape(grid.note)}</p>'
    )


def _picture(title: str, png: bytes) -> str:
    data = base64.b64encode(png).decode("ascii")
    return (
        f"<h2>{escape(title)}</h2>"
        f'<figure><img alt="{escape(title)}" src="data:image/png;base64,{data}"></figure>'
    )


def _definitions() -> str:
    items = "".join(f"<p><b>{escape(name)}</b>: {escape(text)}</p>" for name, text in _DEFINITIONS)
    return f'<h2>Definitions</h2><div class="quiet">{items}</div>'
