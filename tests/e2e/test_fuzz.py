"""``make fuzz``, short: spoiled files are told of, one by one, and stop nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.fuzz import by_c_store, by_zip
from benchmarks.fuzzed_site import Account
from tests.fuzzing import deliveries


@pytest.mark.parametrize(("way", "n_spoiled"), [(by_zip, 120), (by_c_store, 60)])
def test_what_becomes_of_every_spoiled_file_is_told(
    tmp_path: Path, way: Callable[[Path, int, int], Account], n_spoiled: int
) -> None:
    account = way(tmp_path, n_spoiled, 5)
    assert account.wrong == []
    assert account.spoiled == n_spoiled
    assert account.fates["analysed"] > 0, "sound enough that not everything is refused"
    assert len(account.fates) > 4


def test_the_same_seed_spoils_alike_and_another_one_does_not() -> None:
    first, again, other = (list(deliveries(20, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sum(delivery.n_spoiled for delivery in first) == 20
