"""What all segmenters have in common."""

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from cvai.domain.cine import CineStack
from cvai.models.folders import model_folder
from cvai.models.sax import SaxSegmenter
from cvai.models.segmenter import one_blas_thread
from cvai.phantom.cine_sax.phantom import make_phantom
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_matrix_products_keep_to_one_thread_while_a_network_runs_and_no_longer() -> None:
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert set(before) == {2}, "numpy brings no BLAS that threadpoolctl knows"
        assert set(one_blas_thread(blas_threads)()) == {1}
        assert blas_threads() == before


@pytest.mark.slow
def test_a_heart_turned_by_a_quarter_gets_the_same_labels() -> None:
    stack = make_phantom(PhantomHeart(), PhantomAcquisition(n_phases=8)).stack
    segmenter = SaxSegmenter.load(model_folder("sax"))
    upright, turned = (
        segmenter.segment(CineStack(np.ascontiguousarray(pixels), stack.geometry, None, None)).labels
        for pixels in (stack.pixels[:1], np.rot90(stack.pixels[:1], axes=(2, 3)))
    )
    differing = np.count_nonzero(np.rot90(upright, axes=(2, 3)) != turned)
    # Seen from one side alone 3.3 % differ; what is left comes from where the window lies.
    assert differing / np.count_nonzero(turned) < 0.012
