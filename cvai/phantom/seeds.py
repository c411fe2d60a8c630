"""Random numbers by purpose, so that a change in one place of the phantom leaves all others as they were."""

from __future__ import annotations

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What a random generator is used for; the number is part of the seed and never changes."""

    HEART = 1
    SHAPE = 2
    PLACEMENT = 3
    CONTRAST = 4
    TORSO = 5
    FLOW = 6
    NOISE = 7


def generator(seed: int, stream: Stream, index: int = 0) -> np.random.Generator:
    """Generator for one purpose (and one slice, if ``index`` is its number) of one phantom.

    >>> same = generator(3, Stream.NOISE), generator(3, Stream.NOISE)
    >>> bool(same[0].integers(1000) == same[1].integers(1000))
    True
    """
    return np.random.default_rng((seed, int(stream), index))
