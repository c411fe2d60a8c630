"""What all segmenters have in common."""

from threadpoolctl import threadpool_info

from cvai.inference.segmenter import one_blas_thread


def blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_matrix_products_keep_to_one_thread_while_a_network_runs_and_no_longer() -> None:
    before = blas_threads()
    assert before, "numpy brings no BLAS that threadpoolctl knows"
    assert set(one_blas_thread(blas_threads)()) == {1}
    assert blas_threads() == before
