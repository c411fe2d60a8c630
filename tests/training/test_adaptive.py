from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.domain.anatomy import SAX_LABELS, Structure
from cvai.domain.difficulty import Likeness
from cvai.domain.shown import PhaseShown
from cvai.domain.uncertainty import Adaptive, Uncertainty
from cvai.models.card import AdaptiveCard, load_card
from cvai.training.evaluation.calibrate import write_calibration
from cvai.training.evaluation.cases import Case
from cvai.training.evaluation.coverage import coverage_of
from cvai.training.tasks.sax.evaluation.adaptive import factors_of, likeness_of
from cvai.training.tasks.sax.evaluation.harder import HARDER
from cvai.training.tasks.sax.evaluation.judged import Judged
from tests.conftest import ROOT
from tests.training.known import drawn_heart


def patients(n: int = 40) -> list[Judged]:
    """Errors that are as large as the doubt, on average."""
    rng = np.random.default_rng(3)
    out = []
    for k in range(n):
        doubt = float(rng.uniform(0.01, 0.2))
        features = {"noise": float(rng.normal()), "blood": float(rng.normal(0.5, 0.1))}
        shown = PhaseShown(dict.fromkeys(SAX_LABELS, doubt), features)
        measured = {"lv_edv": 100.0, "lv_esv": 50.0, "lv_mass": 90.0}
        reference = {name: value * (1 + doubt * float(rng.normal())) for name, value in measured.items()}
        out.append(Judged(f"patient{k:03d}", shown, shown, measured, reference))
    return out


def test_a_factor_holds_nine_of_ten_patients_whatever_their_difficulty() -> None:
    found = factors_of(patients(), patients())
    assert set(found["factors"]) == {"lv_edv", "lv_esv", "lv_mass"}
    assert 1.2 < found["factors"]["lv_edv"] < 2.4


def test_bounds_of_likeness_leave_the_training_hospital_unflagged() -> None:
    card = likeness_of(patients())
    assert card.usual < card.elsewhere < card.unlike < card.too_far
    assert card.spread["noise"] == pytest.approx(1.0, abs=0.3)


def test_the_card_keeps_what_was_learnt(tmp_path: Path) -> None:
    folder = shutil.copytree(ROOT / "models" / "sax", tmp_path / "sax")
    before = load_card(folder).uncertainty
    assert before is not None
    learnt = AdaptiveCard(
        calibrated_on="drawn patients",
        elsewhere_from="nowhere",
        elsewhere={"lv_ef": 7.0},
        likeness=likeness_of(patients()),
        **factors_of(patients(), patients()),
    )
    write_calibration(folder, before.model_copy(update={"adaptive": learnt}))
    written = load_card(folder).uncertainty
    assert written is not None
    assert written.adaptive == learnt
    assert Structure.LV_CAVITY in written.to_uncertainty().adaptive.least_doubt  # type: ignore[union-attr]


@pytest.mark.parametrize("condition", HARDER, ids=lambda condition: condition.name)
def test_harder_images_show_the_same_heart(condition: object) -> None:
    volume = drawn_heart()
    changed = condition.change(volume)  # type: ignore[attr-defined]
    assert np.array_equal(changed.labels, volume.labels)
    assert changed.image.shape == volume.image.shape
    again = condition.change(volume)  # type: ignore[attr-defined]
    assert np.array_equal(changed.image, again.image)


def cases(known: Uncertainty) -> list[Case]:
    """The patients with the intervals that follow for each."""
    return [
        Case(
            p.patient,
            measured=p.measured,
            reference=p.reference,
            half_widths={
                name: known.of_patient(p.ed, p.es, p.measured).half_width(name, value) or 0.0
                for name, value in p.measured.items()
            },
        )
        for p in patients()
    ]


def test_setting_the_widest_intervals_aside_lowers_the_error() -> None:
    learnt = factors_of(patients(), patients())
    likeness = likeness_of(patients()).model_dump(exclude={"images"})
    adaptive = Adaptive(learnt["factors"], learnt["least_doubt"], {}, Likeness(**likeness))
    found = coverage_of(cases(Uncertainty(0.9, {}, {}, adaptive)), ("lv_edv",))
    risk = found.risk["lv_edv"]
    assert risk[-1].mae < risk[0].mae
    assert found.held["lv_edv"] == pytest.approx(0.925)
