"""Apical loops with their contours, for captures and other objects of any viewer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from cvai.analyses.echo_apical.analysis import EchoAnalysis, MeasuredLoop
from cvai.dicom.write import codes
from cvai.dicom.write.codes import CardiacPhase
from cvai.dicom.write.contoured import Contour, ContouredImages, KeyFrame
from cvai.dicom.write.plan import ShownNumber, echo_report_series, extra_series
from cvai.domain.anatomy import ECHO_LABELS, Structure
from cvai.domain.echo.views import EchoView

TITLES: Mapping[EchoView, str] = MappingProxyType(
    {
        EchoView.APICAL_4_CHAMBER: "Apical four-chamber loop",
        EchoView.APICAL_2_CHAMBER: "Apical two-chamber loop",
    }
)
EXTRAS = {
    **extra_series(
        70, {EchoView.APICAL_4_CHAMBER.value: "four-chamber", EchoView.APICAL_2_CHAMBER.value: "two-chamber"}
    ),
    **echo_report_series(75),
}
NUMBERS = (
    ShownNumber("lv_ef", "LVEF"),
    ShownNumber("lv_edv", "LVEDV"),
    ShownNumber("lv_esv", "LVESV"),
    ShownNumber("la_max", "LA"),
    ShownNumber("lv_gls_endo", "GLS", 1),
)

_CAVITY, _WALL, _ATRIUM = (
    ECHO_LABELS[s] for s in (Structure.LV_CAVITY, Structure.LV_MYOCARDIUM, Structure.LEFT_ATRIUM)
)
CONTOURS = (
    Contour("LV epicardium", (_WALL, _CAVITY), codes.LEFT_VENTRICLE_MYOCARDIUM, (0, 192, 139)),
    Contour("Left atrium", (_ATRIUM,), codes.LEFT_ATRIUM, (86, 180, 233)),
    Contour("LV cavity", (_CAVITY,), codes.LEFT_VENTRICLE, (255, 122, 26)),
)


def contoured(analysis: EchoAnalysis) -> tuple[ContouredImages, ...]:
    """Every loop, cut to its sector, with end-diastole and end-systole of its first beat."""
    return tuple(map(_contoured, analysis.loops))


def _contoured(measured: MeasuredLoop) -> ContouredImages:
    loop, beat = measured.source.loop, measured.beats[0]
    ends = ((CardiacPhase.END_DIASTOLE, beat.end_diastole), (CardiacPhase.END_SYSTOLE, beat.end_systole))

    def grey(t: int, _: int) -> NDArray[np.uint8]:
        return np.asarray(loop.frames[t])

    return ContouredImages(
        name=measured.view.value,
        title=TITLES[measured.view],
        planes=tuple((image,) for image in measured.source.images),
        labels=measured.segmentation.labels[:, None],
        grey=grey,
        contours=CONTOURS,
        key_frames=tuple(KeyFrame(t, phase.capitalize(), phase) for phase, t in ends),
        cut=_extent(loop.sector),
        spacing_mm=loop.spacing_mm,
        times_ms=loop.times_ms,
    )


def _extent(sector: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Rows and columns that hold the sector."""
    rows, columns = (np.flatnonzero(sector.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
