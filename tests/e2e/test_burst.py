"""Studies that all come at once: ``benchmarks/burst.py`` with a few small ones."""

from __future__ import annotations

from pathlib import Path

from benchmarks.burst import Burst, burst, troubles
from benchmarks.workers import phantoms
from cvai.phantom.parameters import PhantomAcquisition

SMALL = PhantomAcquisition(n_slices=9, n_phases=8, rows=160, columns=160)
NO_SLOWER = 1.0


def test_studies_that_come_at_once_are_all_analysed_in_their_order(tmp_path: Path) -> None:
    told = burst(phantoms(tmp_path / "studies", 3, SMALL), tmp_path, threads=1, jobs_at_once=1)
    assert len(told.records) == 3
    assert told.not_analysed == 0
    assert told.out_of_turn == 0
    assert 0 < max(told.memory_mb) < 2000, "what one job at a time may take: docs/howto/operations.md"


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    """No job stands for a study that was delivered, memory grows, and the service takes its time."""
    lost = Burst(10.0, ("1.2.3",), (), tuple(float(mb) for mb in range(500, 1500, 100)))
    assert troubles(lost, NO_SLOWER) == ["1 studies were not analysed", "its memory grew by 600 MB"]
    assert "the service took 20 % longer" in troubles(lost, 1.2)
