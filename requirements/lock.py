"""Writes the lock files of this folder: the versions of constraints.txt, each with the hashes of its files.

Run by ``make lock``, with pip-tools at hand.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
OPTIONS = (
    "--quiet",
    "--generate-hashes",
    "--allow-unsafe",
    "--strip-extras",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-annotate",
    "--no-header",
)
BY_VERSION_ALONE = frozenset({"torch"})
"""Which file of it is installed depends on the machine: see README.md."""


def compiled(*arguments: str | Path) -> str:
    """What pip-compile says about these requirements."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.txt"
        command = [sys.executable, "-m", "piptools", "compile", *OPTIONS, "--output-file", out, *arguments]
        subprocess.run([str(part) for part in command], cwd=ROOT, check=True)
        return out.read_text()


def extra(name: str) -> str:
    """What an extra asks for, without what cvai itself needs."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return "".join(f"{requirement}\n" for requirement in project["optional-dependencies"][name])


def without(text: str, names: frozenset[str]) -> str:
    r"""Requirements but some.

    >>> without("a==1 \\\n    --hash=sha256:0\nb==2 \\\n    --hash=sha256:1\n", frozenset({"a"}))
    'b==2 \\\n    --hash=sha256:1\n'
    """
    return "".join(block for block in blocks_of(text) if block.partition("==")[0] not in names)


def only(text: str, name: str) -> str:
    """One requirement of several."""
    return "".join(block for block in blocks_of(text) if block.partition("==")[0] == name)


def blocks_of(text: str) -> list[str]:
    """Requirements, each with its hashes: no comments, and not cvai itself, which its extras name."""
    return [block for block in re.split(r"(?m)^(?=\S)", text) if "--hash=" in block]


def main() -> None:
    """Write every lock file."""
    constraints = ("--constraint", ROOT / "constraints.txt")
    texts = {
        "service": compiled(*constraints, "pyproject.toml"),
        "dev": without(compiled(*constraints, "--extra", "dev", "pyproject.toml"), BY_VERSION_ALONE),
    }
    for name in ("build", "tools", "gpu"):
        texts[name] = compiled(*constraints, HERE / f"{name}.in")
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "docs.in"
        wanted.write_text(extra("docs"))
        texts["docs"] = compiled(*constraints, wanted)
    # The rest of what it needs stands there already.
    texts["gpu"] = only(texts["gpu"], "onnxruntime-gpu")
    for name, text in texts.items():
        (HERE / f"{name}.txt").write_text("".join(blocks_of(text)))


if __name__ == "__main__":
    main()
