"""The evaluation as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from html import escape

from cvai import __version__
from cvai.training.evaluation.report import Grid, Report

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


def page(report: Report, pictures: Mapping[str, bytes]) -> str:
    """The whole page.

    Args:
        report: what is shown.
        pictures: PNG files by title, in the order they are shown.
    """
    model = report.model
    title = f"{model.name} {model.version}"
    body = "\n".join(
        (
            _head(report),
            _facts(report),
            *(_section(grid) for grid in report.grids),
            *(_picture(name, png) for name, png in pictures.items()),
            _definitions(report),
        )
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>Evaluation of {escape(title)}</title>"
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>'
        f"<body>\n{body}\n</body></html>\n"
    )


def _head(report: Report) -> str:
    model = report.model
    refused = "".join(f'<p class="warn">Refused: {escape(each)}</p>' for each in report.refused)
    return (
        f"<h1>Evaluation of {escape(model.name)} {escape(model.version)}</h1>"
        f'<p class="quiet">{report.n_patients} validation patients of {escape(report.split)} · '
        f"SHA-256 {model.sha256} · {escape(model.provider)} · cvai {__version__} · "
        f"Research, not for clinical use</p>{refused}"
    )


def _facts(report: Report) -> str:
    """The numbers that a reader looks for first."""
    items = "".join(f"<li>{escape(title)}<b>{escape(value)}</b></li>" for title, value in report.facts)
    return f'<ul class="facts">{items}</ul>'


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


def _definitions(report: Report) -> str:
    items = "".join(f"<p><b>{escape(name)}</b>: {escape(text)}</p>" for name, text in report.definitions)
    return f'<h2>Definitions</h2><div class="quiet">{items}</div>'
