"""A training task is added by a folder and a line of the registry: everything else is written once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch", reason="training is an extra: pip install cvai[train]")

from cvai.domain.anatomy import Structure
from cvai.models.card import load_card
from cvai.models.network import open_network
from tests.conftest import ROOT

REGISTRY = Path("cvai") / "training" / "tasks" / "registry.py"
SIZE = 32

CONFIG = """
name = "disc"
version = "0.0.1"
view = "bright_disc"
seed = 3
output = "runs/disc"
[data]
folder = "{folder}"
split = "split.toml"
[input]
size = 32
[network]
filters = [8, 12, 16]
[optimise]
steps = 60
batch_size = 8
learning_rate = 1e-2
weight_decay = 1e-4
warmup_steps = 4
average_decay = 0.8
validate_every = 30
threads = 1
"""


def write_frames(folder: Path, n: int) -> list[str]:
    """Discs anywhere in noise; nobody has labelled the columns on the right."""
    rng = np.random.default_rng(2)
    folder.mkdir()
    y, x = np.mgrid[:SIZE, :SIZE]
    for k in range(n):
        centre_y, centre_x, radius = rng.uniform((9, 9, 4), (22, 22, 7))
        disc = np.hypot(y - centre_y, x - centre_x) < radius
        image = np.where(disc, 170, 60) + rng.normal(0, 12, disc.shape)
        label = np.where(x >= SIZE - 4, 255, disc)
        for end, values in (("", image), ("_label", label)):
            Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / f"frame{k:02d}{end}.png")
    return [f"frame{k:02d}" for k in range(n)]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package with the example among its tasks, frames, and a configuration."""
    root = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "cvai", root / "cvai", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "examples" / "bright_disc", root / "cvai" / "training" / "tasks" / "bright_disc")
    source = (root / REGISTRY).read_text()
    extended = source.replace("import coronary, ", "import bright_disc, coronary, ")
    extended = extended.replace("coronary.TASK)", "coronary.TASK, bright_disc.TASK)")
    assert extended.count("bright_disc") == 2
    (root / REGISTRY).write_text(extended)
    names = write_frames(root / "frames", 18)
    (root / "split.toml").write_text(f"train = {names[:9]}\nvalidation = {names[9:]}\n")
    (root / "disc.toml").write_text(CONFIG.format(folder=root / "frames"))
    return root


ALL_COMMANDS = """
import shlex, sys
from cvai.cli.main import app
for line in sys.stdin:
    app(shlex.split(line), standalone_mode=False)
"""
"""Commands in one process, which imports torch and MLflow once."""


def run(tree: Path, *commands: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ALL_COMMANDS],
        input="\n".join(commands),
        cwd=tree,
        env={**environment, "PYTHONPATH": str(tree), "CVAI_MODELS": str(tree / "models")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_task_of_its_own_is_trained_exported_evaluated_and_promoted(tree: Path) -> None:
    told = run(
        tree,
        "train disc.toml",
        "export disc.toml --to exported",
        f"evaluate --model exported --folder {tree / 'frames'} --split split.toml --out evaluation"
        " --calibrate --track disc.toml --register",
        "models promote disc 1",
    )
    card = load_card(tree / "exported")
    assert (card.view, card.labels, card.license) == ("disc", {Structure.LV_CAVITY: 1}, "Apache-2.0")
    assert card.training.patients == 9
    network = open_network(tree / "exported", threads=1)
    assert network.logits(np.zeros((2, 1, 48, 40), np.float32)).shape == (2, 2, 48, 40)

    record = json.loads((tree / "evaluation" / "evaluation.json").read_text())
    assert record["dice"]["frame"]["disc"]["mean"] > 0.8
    assert "Overlap" in told
    assert "Overlap" in (tree / "evaluation" / "report.html").read_text()
    assert card.uncertainty is not None
    assert set(card.uncertainty.shares) == {"disc_area"}

    assert "is in place" in told
    assert load_card(tree / "models" / "disc") == card
