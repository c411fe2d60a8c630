from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cvai.models.classes import likeliest


@given(seed=st.integers(0, 2**32 - 1), n_classes=st.integers(1, 6), levels=st.integers(2, 50))
def test_the_likeliest_class_is_the_first_of_the_highest(seed: int, n_classes: int, levels: int) -> None:
    """With few levels there are many ties."""
    maps = np.random.default_rng(seed).integers(-levels, levels, (2, n_classes, 5, 7)).astype(np.float32)
    assert np.array_equal(likeliest(maps), maps.argmax(axis=1))
