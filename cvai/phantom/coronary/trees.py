"""Layouts of coronary trees as projections show them, with lesions to be put in."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from cvai.phantom.coronary.vessels import PhantomLesion, PhantomVessel


class Artery(StrEnum):
    """Which coronary artery is filled."""

    RIGHT = "right"
    LEFT = "left"


_TREES: dict[Artery, tuple[PhantomVessel, ...]] = {
    Artery.RIGHT: (
        PhantomVessel(1, ((0.24, 0.62), (0.2, 0.5), (0.24, 0.36), (0.36, 0.27)), (3.8, 3.6)),
        PhantomVessel(2, ((0.36, 0.27), (0.5, 0.24), (0.64, 0.28)), (3.6, 3.3)),
        PhantomVessel(3, ((0.64, 0.28), (0.76, 0.38), (0.8, 0.5)), (3.3, 2.9)),
        PhantomVessel(4, ((0.8, 0.5), (0.85, 0.62), (0.84, 0.78)), (2.0, 1.4)),
        PhantomVessel(20, ((0.8, 0.5), (0.72, 0.62), (0.6, 0.72)), (2.2, 1.6)),
    ),
    Artery.LEFT: (
        PhantomVessel(5, ((0.22, 0.3), (0.24, 0.36), (0.25, 0.42)), (4.4, 4.2)),
        PhantomVessel(6, ((0.25, 0.42), (0.25, 0.52), (0.3, 0.62)), (3.6, 3.4)),
        PhantomVessel(7, ((0.3, 0.62), (0.42, 0.72), (0.56, 0.77)), (3.4, 2.6)),
        PhantomVessel(8, ((0.56, 0.77), (0.7, 0.79), (0.84, 0.76)), (2.6, 1.6)),
        PhantomVessel(9, ((0.3, 0.62), (0.3, 0.76), (0.38, 0.88)), (2.1, 1.5)),
        PhantomVessel(13, ((0.25, 0.42), (0.36, 0.38), (0.48, 0.36)), (3.2, 3.0)),
        PhantomVessel(16, ((0.48, 0.36), (0.64, 0.38), (0.78, 0.44)), (3.0, 2.0)),
        PhantomVessel(15, ((0.48, 0.36), (0.6, 0.5), (0.74, 0.58)), (2.0, 1.4)),
    ),
}
"""Segments are given by their label in CORONARY_LABELS: 13 is SYNTAX 11, 15 is 12a, 16 is 13, 20 is 16."""

CATHETER = PhantomVessel(0, ((0.02, 0.72), (0.12, 0.72), (0.24, 0.64)), (2.0, 2.0))


def coronary_tree(artery: Artery, lesions: dict[int, tuple[PhantomLesion, ...]]) -> tuple[PhantomVessel, ...]:
    """The tree of an artery with lesions in segments by their label."""
    return tuple(replace(v, lesions=lesions.get(v.segment, ())) for v in _TREES[artery])
