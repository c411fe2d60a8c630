"""What the documents promise, compared with the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from typer.main import get_command

from cvai import errors
from cvai.cli.main import app
from tests.conftest import ROOT

CODE_BEARERS = {name for name, kind in vars(errors).items() if isinstance(kind, type)} | {"Finding"}


def codes_in_source() -> Iterator[str]:
    for path in (ROOT / "cvai").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CODE_BEARERS and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    yield first.value


def test_every_code_is_explained_and_nothing_else_is() -> None:
    explained = set(re.findall(r"^\| `([a-z_]+)`", (ROOT / "docs" / "codes.md").read_text(), re.MULTILINE))
    assert explained == set(codes_in_source())


def test_every_command_is_in_the_readme_and_has_an_example() -> None:
    readme = (ROOT / "README.md").read_text()
    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert {name for name in commands if f"cvai {name}" not in readme} == set()
    without_example = {
        name
        for name, command in commands.items()
        if not hasattr(command, "commands") and "Example" not in (command.help or "")
    }
    assert without_example == set()


def test_no_document_names_a_path_of_one_machine() -> None:
    home = re.compile(r"(/home/|/root/|/Users/)")
    texts = [p for pattern in ("*.md", "docs/**/*.md", "configs/**/*.toml") for p in ROOT.glob(pattern)]
    assert [p.name for p in texts if home.search(p.read_text(encoding="utf-8"))] == []
