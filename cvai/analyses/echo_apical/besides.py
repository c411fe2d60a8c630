"""What is measured of a loop besides the ventricle's discs: left atrium and strain, or why they are not."""

from __future__ import annotations

from collections.abc import Sequence

from cvai.domain.anatomy import Structure
from cvai.domain.beats import area_curve
from cvai.domain.echo.atrium import KeyAtria, key_atria
from cvai.domain.echo.loop import EchoLoop, LoopSegmentation
from cvai.domain.echo.quality import is_atrium_cut, is_ventricle_cut
from cvai.domain.echo.strain import LoopStrain, loop_strain
from cvai.domain.message import say
from cvai.domain.phases import KeyPhases

SQUARE_PX = (1.0, 1.0)
"""Where the pixels have no size; ratios hold if they are square."""


def atria_of(
    loop: EchoLoop, segmentation: LoopSegmentation, beats: Sequence[KeyPhases]
) -> tuple[KeyAtria, ...]:
    """The left atrium of every beat; none where the sector cuts it off."""
    if is_atrium_cut(loop, segmentation, beats):
        return ()
    curve = area_curve(segmentation.area_curve_px(Structure.LV_CAVITY))
    return key_atria(segmentation, beats, loop.spacing_mm or SQUARE_PX, curve)


def strain_of(
    loop: EchoLoop, segmentation: LoopSegmentation, beats: Sequence[KeyPhases], *, is_hidden: bool
) -> LoopStrain:
    """Strain of every beat; withheld where the sector cuts the ventricle off, or something hides it."""
    if is_ventricle_cut(loop, segmentation, beats):
        return LoopStrain(withheld=say("shows a left ventricle that leaves the sector"))
    if is_hidden:
        return LoopStrain(withheld=say("hides part of the left ventricle"))
    curve = area_curve(segmentation.area_curve_px(Structure.LV_CAVITY))
    return loop_strain(segmentation.labels, loop.spacing_mm or SQUARE_PX, curve, beats)
