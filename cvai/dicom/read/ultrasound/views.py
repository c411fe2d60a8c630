"""Which view of the heart an ultrasound loop is said to show: ViewCodeSequence and ViewName.

PS3.3 C.8.5.6 lets an operator or a protocol name the view. The codes are those of PS3.16 CID 12226 with the
groups that it includes, in SNOMED CT and in SNOMED RT, which machines wrote before 2019.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from pydicom import Dataset

from cvai.dicom.read.header.attributes import texts
from cvai.dicom.read.header.coded import DICOM, SNOMED_CT, SNOMED_RT, coded_values
from cvai.domain.echo.views import EchoView


@dataclass(frozen=True, slots=True)
class StatedView:
    """A view as a header states it.

    Args:
        view: OTHER where it is neither of the two that are measured.
        name: in messages; never what an operator typed.
    """

    view: EchoView
    name: str


_FOUR = StatedView(EchoView.APICAL_4_CHAMBER, "apical four-chamber")
_TWO = StatedView(EchoView.APICAL_2_CHAMBER, "apical two-chamber")


def _other(name: str) -> StatedView:
    return StatedView(EchoView.OTHER, name)


_CONCEPTS = (
    ("399214001", "G-A19C", _FOUR),
    ("399232001", "G-A19B", _TWO),
    ("399339008", "G-0395", _other("apical long axis")),
    ("398994001", "G-A191", _other("apical five-chamber")),
    ("399139001", "G-0396", _other("parasternal long axis")),
    ("443082005", "G-0577", _other("parasternal long axis of the right ventricular inflow")),
    ("443083000", "G-0578", _other("parasternal long axis of the right ventricular outflow")),
    ("399306005", "G-0397", _other("parasternal short axis")),
    ("399239005", "G-0398", _other("parasternal short axis at the aortic valve")),
    ("399371001", "G-0399", _other("parasternal short axis at the mitral chords")),
    ("399036006", "G-039A", _other("parasternal short axis at the mitral valve")),
    ("399271003", "G-039B", _other("parasternal short axis at the papillary muscles")),
    ("398998003", "G-039C", _other("right ventricular inflow tract")),
    ("399195005", "G-039D", _other("right ventricular outflow tract")),
    ("399310008", "G-039E", _other("subcostal long axis")),
    ("399200001", "G-039F", _other("subcostal short axis")),
    ("443160001", "G-0579", _other("subcostal short axis at the papillary muscles")),
    ("443499004", "G-057B", _other("subcostal short axis at the mitral valve")),
    ("443609003", "G-057E", _other("subcostal short axis at the aortic valve")),
    ("443500008", "G-057C", _other("subcostal short axis at the venous inflow")),
    ("443640005", "R-40B0A", _other("subcostal oblique coronal")),
    ("443100003", "R-40AFF", _other("subcostal view of the outlets")),
    ("399106004", "G-03A0", _other("suprasternal long axis")),
    ("443562002", "G-057D", _other("suprasternal long axis of the aortic arch")),
    ("399145009", "G-03A1", _other("suprasternal short axis")),
    ("443162009", "R-40B00", _other("suprasternal coronal")),
    ("443163004", "R-40B01", _other("suprasternal sagittal")),
    ("443698002", "R-40B0E", _other("transesophageal short axis")),
    ("103340004", "G-A186", _other("short axis")),
)
"""SNOMED CT, SNOMED RT, view."""

_DICOM_CONCEPTS = (
    ("130681", _other("apical four-chamber focused on the right ventricle")),
    ("130682", _other("apical four-chamber modified for the right ventricle")),
    *(
        (code, _other("fetal"))
        for code in ("131022", "131023", "131024", "131025", "131026", "131028", "131029")
    ),
    *((code, _other("transesophageal")) for code in ("131100", "131101", "131102", "131103", "131104")),
)
"""Codes of DCM: CID 12226, 12312 (fetal), 12343 (transesophageal)."""

_BY_CODE: Mapping[tuple[str, str], StatedView] = MappingProxyType(
    {
        **{(SNOMED_CT, ct): view for ct, _, view in _CONCEPTS},
        **{(SNOMED_RT, rt): view for _, rt, view in _CONCEPTS},
        **{(DICOM, code): view for code, view in _DICOM_CONCEPTS},
    }
)

_ELSEWHERE = (
    (r"PARASTERN|(?<!A)PLAX|PSLAX", _other("parasternal")),
    (r"PSAX|PSSAX|SAX|SHORTAX|SHAX", _other("short axis")),
    (r"SUBCOST|SUBX|SUBC|^SC", _other("subcostal")),
    (r"SUPRAST|SSN", _other("suprasternal")),
    (r"^T[EO]E|TRANSO?ESOPH|MIDO?ESOPH|^ME\d", _other("transesophageal")),
    (r"FETAL|FOETAL", _other("fetal")),
    (r"RVFOC|RVMOD|RVIN|RVOUT|RVIT|RVOT", _other("right ventricular")),
)
"""Names without spaces and signs; the place of the transducer says it, whatever chambers are counted."""


def _counted(number: str, more: str = "") -> str:
    """A pattern of so many chambers; ``VIEW4CINE`` and ``AP45`` count none."""
    return rf"(AP|A|APICAL)({number})(?!\d)|(?<!\d)({number})(C(?!INE|LIP|OL)|K){more}"


_CHAMBERS = (
    (_counted("4|FOUR|VIER"), _FOUR),
    (_counted("2|TWO|ZWEI"), _TWO),
    (_counted("3|THREE|DREI", "|LAX|LONGAX"), _other("apical long axis")),
    (_counted("5|FIVE"), _other("apical five-chamber")),
)
"""How many chambers: A4C, AP4, 4CH, Apical 4 chamber, 4-Kammerblick."""


def stated_view(header: Dataset) -> StatedView | None:
    """The view that a header states; None where it states none, or two."""
    views = {view for view in (_by_code(header), _by_name(header)) if view is not None}
    if len({view.view for view in views}) != 1:
        return None
    return max(views, key=lambda view: len(view.name))


def _by_code(header: Dataset) -> StatedView | None:
    for coded in coded_values(header, "ViewCodeSequence"):
        return _BY_CODE.get((coded.scheme, coded.value)) or _named(coded.meaning)
    return None


def _by_name(header: Dataset) -> StatedView | None:
    return _named(" ".join(texts(header, "ViewName")))


def _named(name: str) -> StatedView | None:
    """The one view that a name fits; several, or none, say nothing."""
    letters = re.sub(r"[^A-Z0-9]", "", name)
    for pattern, view in _ELSEWHERE:
        if re.search(pattern, letters):
            return view
    views = [view for pattern, view in _CHAMBERS if re.search(pattern, letters)]
    return views[0] if len(views) == 1 else None
