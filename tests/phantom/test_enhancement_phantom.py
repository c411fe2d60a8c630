from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from cvai.domain.anatomy import LGE_LABELS, Structure
from cvai.domain.tissue.rules import fwhm_percent, n_sd_percent
from cvai.domain.tissue.shares import WHOLE_INFARCT
from cvai.domain.tissue.transmurality import transmurality
from cvai.errors import ConfigurationInvalid
from cvai.phantom.late_enhancement.phantom import Scar, make_enhancement_phantom
from cvai.phantom.late_enhancement.study import write_enhancement_study
from cvai.phantom.parameters import PhantomAcquisition, PhantomHeart

SMALL = PhantomAcquisition(n_phases=8, rows=120, columns=128, spacing_y_mm=2.0, spacing_x_mm=1.9, seed=2)


@pytest.mark.parametrize(
    "scar", [Scar(width_deg=0.0), Scar(), Scar(width_deg=180.0, depth=1.0, no_reflow=True)]
)
def test_rules_on_true_contours_find_the_true_share(scar: Scar) -> None:
    phantom = make_enhancement_phantom(PhantomHeart.drawn(2), SMALL, scar)
    share, images = phantom.truth.infarct_share_percent, phantom.pixels.astype(np.float32)
    assert (share > 0) is (scar.width_deg > 0)
    assert n_sd_percent(images, phantom.labels) == pytest.approx(share, abs=3.0)
    assert fwhm_percent(images, phantom.labels) == pytest.approx(share, abs=3.0)


def test_a_scar_has_the_width_and_depth_that_it_states() -> None:
    phantom = make_enhancement_phantom(PhantomHeart.drawn(2), SMALL, Scar(60.0, 120.0, 1.0, 0.0))
    middle = phantom.labels[len(phantom.labels) // 2]
    along = transmurality(middle, (1.0, 1.0))
    assert along is not None
    assert np.mean(along > 0.5) == pytest.approx(120 / 360, abs=0.04)
    assert along[20] == pytest.approx(1.0, abs=0.05), "at 60 degrees"


@pytest.mark.slow
def test_no_reflow_lies_within_the_infarct_and_leaves_the_share_as_it_is() -> None:
    plain, with_core = (
        make_enhancement_phantom(PhantomHeart.drawn(2), SMALL, Scar(no_reflow=core)) for core in (False, True)
    )
    assert plain.truth.infarct_share_percent == with_core.truth.infarct_share_percent
    assert 0 == plain.truth.no_reflow_share_percent < with_core.truth.no_reflow_share_percent
    assert np.isin(plain.labels[with_core.labels == LGE_LABELS[Structure.NO_REFLOW]], WHOLE_INFARCT).all()


@pytest.mark.slow
def test_the_same_arguments_write_the_same_study(tmp_path: Path) -> None:
    once, again = (write_enhancement_study(tmp_path / name, Scar(), SMALL) for name in ("a", "b"))
    assert once == again
    for path in sorted((tmp_path / "a" / "dicom").iterdir()):
        assert path.read_bytes() == (tmp_path / "b" / "dicom" / path.name).read_bytes()
    truth = json.loads((tmp_path / "a" / "truth.json").read_text())
    assert truth["measurements"]["infarct_share"] == once.infarct_share_percent


def test_a_scar_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigurationInvalid, match="depth"):
        Scar(depth=1.5)
