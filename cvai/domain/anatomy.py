"""Structures of the heart that cvai names, and the label each has in the segmentation of a view."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Structure(StrEnum):
    """A segmented structure; the value is the name used in cards, files and messages."""

    LV_CAVITY = "lv_cavity"
    LV_MYOCARDIUM = "lv_myocardium"
    RV_CAVITY = "rv_cavity"
    LEFT_ATRIUM = "left_atrium"
    INFARCT = "infarct"
    NO_REFLOW = "no_reflow"

    @property
    def display_name(self) -> str:
        """Readable name, as it stands in reports."""
        return {
            Structure.LV_CAVITY: "Left ventricular cavity",
            Structure.LV_MYOCARDIUM: "Left ventricular myocardium",
            Structure.RV_CAVITY: "Right ventricular cavity",
            Structure.LEFT_ATRIUM: "Left atrium",
            Structure.INFARCT: "Infarct",
            Structure.NO_REFLOW: "No-reflow",
        }[self]


class PapillaryMuscles(StrEnum):
    """What papillary muscles and trabeculae are counted as; it moves volumes and mass by 10 % and more."""

    CAVITY = "cavity"
    MASS = "mass"


BACKGROUND = 0

SAX_LABELS: Mapping[Structure, int] = MappingProxyType(
    {Structure.LV_CAVITY: 1, Structure.LV_MYOCARDIUM: 2, Structure.RV_CAVITY: 3}
)
"""Label values of every short-axis segmentation that leaves cvai."""

ECHO_LABELS: Mapping[Structure, int] = MappingProxyType(
    {Structure.LV_CAVITY: 1, Structure.LV_MYOCARDIUM: 2, Structure.LEFT_ATRIUM: 3}
)
"""Label values of every segmentation of an apical ultrasound view that leaves cvai; those of CAMUS."""

LGE_LABELS: Mapping[Structure, int] = MappingProxyType(
    {
        Structure.LV_CAVITY: 1,
        Structure.LV_MYOCARDIUM: 2,
        Structure.INFARCT: 3,
        Structure.NO_REFLOW: 4,
    }
)
"""Label values of every segmentation of late enhancement that leaves cvai; those of EMIDEC. The myocardium
is only what is neither infarct nor no-reflow: the whole wall is 2, 3 and 4, the whole infarct 3 and 4."""

SAX_PAPILLARY_MUSCLES = PapillaryMuscles.CAVITY
"""What they are in every short-axis segmentation that leaves cvai, in both ventricles; so they are in the
contours its models learn from (Bernard et al., IEEE Trans Med Imaging 2018;37:2514,
doi:10.1109/TMI.2018.2837502)."""
