"""What the documents promise, compared with the code."""

from __future__ import annotations

import ast
import json
import re

import pytest

from benchmarks.capacity import Study, table
from cvai import errors
from cvai.cli.lazy import COMMANDS, LazyCommands
from cvai.models.card import load_card
from tests.conftest import ROOT

CODE_BEARERS = {name for name, kind in vars(errors).items() if isinstance(kind, type)} | {
    "Finding",
    "CineNotFound",
    "Problem",
}


def calls_and_texts() -> tuple[set[str], set[str]]:
    """Codes that stand first in a call of a code bearer, and every string literal of the source."""
    codes, texts = set(), set()
    for path in (ROOT / "cvai").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                texts.add(node.value)
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CODE_BEARERS and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    codes.add(first.value)
    return codes, texts


@pytest.mark.slow
def test_every_code_is_explained_and_nothing_else_is() -> None:
    explained = set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs" / "codes.md").read_text(), re.MULTILINE))
    codes, texts = calls_and_texts()
    assert codes - explained == set()
    assert explained - texts == set()


def test_every_command_is_in_the_readme_and_has_an_example() -> None:
    readme = (ROOT / "README.md").read_text()
    group = LazyCommands()
    commands = {name: group.get_command(None, name) for name in COMMANDS}
    assert {name for name in commands if f"cvai {name}" not in readme} == set()
    without_example = {
        name
        for name, command in commands.items()
        if not hasattr(command, "commands") and "Example" not in (command.help or "")
    }
    assert without_example == set()
    first_lines = {
        name: " ".join(command.help.split("\n\n")[0].split()) for name, command in commands.items()
    }
    assert first_lines == dict(COMMANDS), "the help page says what each command says of itself"


def test_no_document_names_a_path_of_one_machine() -> None:
    home = re.compile(r"/(home|root|Users)/")
    texts = [p for pattern in ("*.md", "docs/**/*.md", "configs/**/*.toml") for p in ROOT.glob(pattern)]
    assert [p.name for p in texts if home.search(p.read_text(encoding="utf-8"))] == []


def test_the_model_card_quotes_the_evaluation_of_the_committed_model() -> None:
    folder = ROOT / "models" / "sax"
    evaluation = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert evaluation["model"]["sha256"] == load_card(folder).sha256
    for phase in evaluation["dice"].values():
        for structure in phase.values():
            assert f"{structure['mean']:.3f} (" in card
    for quantity in ("lv_ef", "rv_ef", "lv_mass"):
        found = evaluation["agreement"][quantity]
        assert f"| {found['bias']['value']:+z.1f} (" in card
        assert f"| {found['sd']['value']:.1f} (" in card
        assert f"| {found['worst']:+.1f} ({found['worst_patient']}) |" in card


def test_the_table_of_workers_is_what_its_command_prints() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text()
    (given,) = re.findall(r"benchmarks\.capacity (--rest-s .*)", text)
    rest_s, infer_s = (float(word) for word in given.split()[1::2])
    assert table(Study(rest_s + infer_s, fetched_mb=300, stored_mb=6)) in text


def test_every_test_that_a_document_names_is_there() -> None:
    for document in ("threats.md", "proofs.md", "page.md", "operations.md"):
        named = re.findall(r"\btests/[\w/]+\.py", (ROOT / "docs" / document).read_text())
        assert [path for path in named if not (ROOT / path).is_file()] == []
