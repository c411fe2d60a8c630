"""What the documents promise, compared with the code."""

from __future__ import annotations

import ast
import json
import re
import tomllib
from pathlib import Path

import pytest

import cvai
from benchmarks import published, reference
from benchmarks.capacity import Study, table
from cvai import errors
from cvai.cli.lazy import COMMANDS, LazyCommands
from cvai.models.card import load_card
from cvai.training.tasks.registry import load_run
from tests.conftest import ROOT

DOCUMENTS = sorted(
    path
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "models/*/*.md",
        "data/*.md",
        "requirements/*.md",
        "notebooks/*.md",
    )
    for path in ROOT.glob(pattern)
)
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
    text = (ROOT / "docs" / "reference" / "codes.md").read_text()
    explained = set(re.findall(r"^\| `([a-z0-9_]+)`", text, re.MULTILINE))
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
    texts = [*DOCUMENTS, *ROOT.glob("configs/**/*.toml")]
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
    text = (ROOT / "docs" / "explanation" / "scaling.md").read_text()
    (given,) = re.findall(r"benchmarks\.capacity (--rest-s .*)", text)
    rest_s, infer_s = (float(word) for word in given.split()[1::2])
    assert table(Study(rest_s + infer_s, fetched_mb=300, stored_mb=6)) in text


def test_every_test_that_a_document_names_is_there() -> None:
    named = {
        (document.name, path)
        for document in DOCUMENTS
        for path in re.findall(r"\btests/[\w/]+\.py", document.read_text(encoding="utf-8"))
    }
    assert {(document, path) for document, path in named if not (ROOT / path).is_file()} == set()


def anchors(document: Path) -> set[str]:
    """Fragments of the headings of a document, as GitHub and Python-Markdown make them."""
    text = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}


def broken_links(document: Path) -> set[str]:
    """Relative links of a document that lead to no file, or to no heading of it."""
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    broken = set()
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        address, _, fragment = link.partition("#")
        if re.match(r"[a-z]+:", address):
            continue
        target = (document.parent / address).resolve() if address else document
        if not target.exists() or (fragment and fragment not in anchors(target)):
            broken.add(link)
    return broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    assert broken_links(document) == set()


def test_a_broken_link_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Some title: here\n[a](page.md#some-title-here) [b](#other) [c](gone.md) `[d](x)`\n")
    assert broken_links(page) == {"#other", "gone.md"}


@pytest.mark.parametrize("document", published.documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_numbers_of_a_document_are_those_of_the_records(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    assert published.refreshed(text) == text, "python -m benchmarks.published writes them anew"


def test_every_number_between_markers_is_found() -> None:
    marked = "a <!-- numbers: burst_ratio -->1<!-- end --> b"
    assert published.refreshed(marked) != marked
    texts = [path.read_text(encoding="utf-8") for path in published.documents()]
    for text in texts:
        assert len(published.MARKED.findall(text)) == text.count("<!-- numbers:")
    assert {
        name for name in published.NUMBERS if not any(f"numbers: {name} " in text for text in texts)
    } == set()


def test_what_a_benchmark_measures_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "RESULTS", tmp_path / "results.json")
    published.RESULTS.write_text('{"memory": {"peak_gb": 1.6}, "burst": {"ratio": 1.1}}')
    published.keep("memory", {"peak_gb": 1.49999})
    assert json.loads(published.RESULTS.read_text()) == {"burst": {"ratio": 1.1}, "memory": {"peak_gb": 1.5}}


@pytest.mark.parametrize("page", reference.PAGES)
def test_the_pages_of_the_reference_are_made_from_the_code(page: str) -> None:
    made = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    assert reference.PAGES[page]() == made, "python -m benchmarks.reference writes it anew"


@pytest.mark.parametrize(
    "page", [path for path in DOCUMENTS if path.parent.parent == ROOT / "docs"], ids=lambda path: path.name
)
def test_every_page_is_in_the_index_and_on_the_site(page: Path) -> None:
    name = f"{page.parent.name}/{page.name}"
    assert f"({name})" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert f"- {name}\n" in (ROOT / "mkdocs.yml").read_text(encoding="utf-8")


def test_the_configuration_of_the_tutorial_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs" / "tutorial" / "first-model.md").read_text(encoding="utf-8")
    split, configuration = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("split.toml").write_text(split)
    Path("tiny.toml").write_text(configuration)
    assert load_run(Path("tiny.toml")).config.data.split.name == "split.toml"


def test_the_changelog_has_one_line_an_entry_and_describes_this_version() -> None:
    _, *releases = re.split(r"(?m)^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    names = [release.splitlines()[0] for release in releases]
    assert names[0] == "[Unreleased]"
    assert re.fullmatch(rf"\[{re.escape(cvai.__version__)}\] - \d{{4}}-\d\d-\d\d", names[1])
    for release in releases:
        for section in re.split(r"(?m)^### ", release)[1:]:
            title, _, *entries = section.rstrip().splitlines()
            assert title in {"Added", "Changed", "Deprecated", "Fixed", "Removed", "Security"}
            assert [entry for entry in entries if not entry.startswith("- ") or len(entry) > 110] == []


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["hatch"]["version"]["path"] == "cvai/__init__.py"
