"""``make chaos`` and ``make soak``, short."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.chaos import hospital, kill_again_and_again, left_alone
from benchmarks.soak import Sample, running, slope, soak
from tests.hospital import Hospital
from tests.postgres import needs_postgres


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgres", marks=needs_postgres)])
def test_killed_at_random_instants_nothing_is_lost_doubled_or_left_behind(database: str) -> None:
    with hospital(database, seed=3) as (site, dying):
        uids = kill_again_and_again(site, kills=2, studies=3, seed=3)
        tally = left_alone(site, dying, uids)
    assert tally.clean, tally


def test_the_tally_sees_what_is_lost_and_what_is_orphaned(tmp_path: Path) -> None:
    site = Hospital(tmp_path)
    uid = site.deliver(0)
    assert site.tally([uid]).lost == (uid,)


def test_a_line_through_what_grows_has_its_slope_and_tells_how_sure_it_is() -> None:
    studies = range(10, 110, 10)
    for noise_mb, error in ((0.0, 0.0), (1.0, 0.012)):
        samples = [Sample(n, 100.0 + 0.5 * n + noise_mb * (-1) ** (n // 10), 20, 0) for n in studies]
        grows, standard_error = slope(samples, [s.memory_mb for s in samples])
        assert grows == pytest.approx(0.5, abs=0.02)
        assert standard_error == pytest.approx(error, abs=0.002)


def test_studies_go_through_and_leave_no_files_or_handles(tmp_path: Path) -> None:
    with running("folder", "sqlite", tmp_path) as at:
        samples = soak(at, 8, 0)
    assert samples[-1].temporary == samples[0].temporary, "folders to work in, and nothing in them"
    assert max(s.handles for s in samples[4:]) <= max(s.handles for s in samples[:4]) + 3
