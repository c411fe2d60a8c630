"""Hooks of mkdocs: pages of the site that live outside of docs/, and the links to and from them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
PROJECT_FILES = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "configs/service.example.toml",
    "data/README.md",
    "models/coronary/LICENSE",
    "models/coronary/MODEL_CARD.md",
    "models/echo/LICENSE",
    "models/echo/MODEL_CARD.md",
    "models/lge/LICENSE",
    "models/lge/MODEL_CARD.md",
    "models/sax/LICENSE",
    "models/sax/MODEL_CARD.md",
    "requirements/README.md",
)
LINK = re.compile(r"\[(?P<text>[^\[\]]*)\]\((?P<address>[^)\s:#]+)(?P<fragment>#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files of the project that documents link to, below project/."""
    from mkdocs.structure.files import File

    for name in PROJECT_FILES:
        files.append(File.generated(config, f"project/{name}", abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: object) -> str:
    """Point links from and to files outside of docs/ at their place on the site."""
    source = Path(str(page.file.abs_src_path))
    here = Path(page.file.src_uri).parent
    return LINK.sub(lambda link: relinked(link, source.parent, here, Path(config.docs_dir)), markdown)


def relinked(link: re.Match[str], folder: Path, here: Path, docs: Path) -> str:
    """A link of a file in ``folder`` as a page in ``here`` writes it; text where the site lacks the file."""
    target = (folder / link["address"]).resolve()
    if target.is_relative_to(docs):
        place = target.relative_to(docs)
    elif str(target.relative_to(ROOT)) in PROJECT_FILES:
        place = Path("project") / target.relative_to(ROOT)
    else:
        return f"`{target.relative_to(ROOT)}`" if target.exists() else link[0]
    address = "../" * len(here.parts) + place.as_posix()
    return f"[{link['text']}]({address}{link['fragment'] or ''})"
