"""Writes the bill of materials of the service as CycloneDX JSON, after its licences have been looked at.

usage: sbom.py PYTHON OUT        PYTHON: of the environment that cvai is installed in

Run by ``make sbom`` and in the image, with cyclonedx-bom at hand. It holds cvai, everything of service.txt as
it is installed, and the weights with their digests and licences.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent

ALLOWED = frozenset(
    {
        *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MIT-0", "MIT-CMU"),
        *("MPL-2.0", "PSF-2.0", "Python-2.0", "Zlib"),
        "License :: OSI Approved :: Apache Software License",
        "License :: OSI Approved :: BSD License",
        "License :: OSI Approved :: MIT License",
        "License :: OSI Approved :: Mozilla Public License 2.0 (MPL 2.0)",
    }
)

KNOWN = {
    # Their metadata name none that cyclonedx-py knows; the text lies in the wheel.
    "protobuf": "BSD-3-Clause",
    "uharfbuzz": "Apache-2.0",
}

EXCEPTIONS = {
    "psycopg": {"LGPL-3.0-only"},  # a library that is imported, and may be exchanged
    "psycopg-binary": {"LGPL-3.0-only"},
}


def normal(name: str) -> str:
    """A package's name as names are compared.

    >>> normal("Flask_Cors")
    'flask-cors'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    """Versions of service.txt by name."""
    found = re.findall(r"(?m)^([A-Za-z0-9._-]+)==(\S+)", (HERE / "service.txt").read_text())
    return {normal(name): version for name, version in found}


def described(python: str) -> dict[str, Any]:
    """The whole environment as cyclonedx-py sees it."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--output-reproducible"]
    command += ["--pyproject", str(ROOT / "pyproject.toml"), python]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return dict(json.loads(done.stdout))


def of_the_service(bom: dict[str, Any], versions: dict[str, str]) -> dict[str, Any]:
    """Without what is installed beside the service; ends where something of it is missing."""
    components = [c for c in bom["components"] if normal(c["name"]) in versions]
    found = {normal(c["name"]): c["version"] for c in components}
    if differing := {name for name, version in versions.items() if found.get(name) != version}:
        sys.exit(f"not installed as service.txt says: {', '.join(sorted(differing))}")
    kept = {c["bom-ref"] for c in components} | {bom["metadata"]["component"]["bom-ref"]}
    dependencies = []
    for entry in bom["dependencies"]:
        if entry["ref"] in kept:
            needed = [ref for ref in entry.get("dependsOn", ()) if ref in kept]
            dependencies.append({"ref": entry["ref"], **({"dependsOn": needed} if needed else {})})
    return {**bom, "components": components, "dependencies": dependencies}


def licences_of(component: dict[str, Any]) -> set[str]:
    """Every licence that a component states, each enough to be asked about."""
    told = set()
    for entry in component.get("licenses", ()):
        if expression := entry.get("expression"):
            alternatives = [set(re.findall(r"[\w.+-]+", part)) for part in expression.split(" OR ")]
            chosen = next((a for a in alternatives if a - {"AND", "WITH"} <= ALLOWED), alternatives[0])
            told |= chosen - {"AND", "WITH"}
        else:
            told.add(entry["license"].get("id") or entry["license"].get("name"))
    return told


def with_licences(bom: dict[str, Any]) -> dict[str, Any]:
    """The same with what metadata leave out; ends where a licence is not one of those we accept."""
    wrong = []
    for component in bom["components"]:
        name = normal(component["name"])
        if not component.get("licenses") and name in KNOWN:
            component["licenses"] = [{"license": {"id": KNOWN[name], "acknowledgement": "concluded"}}]
        told = licences_of(component)
        if not told or told - ALLOWED - EXCEPTIONS.get(name, set()):
            wrong.append(f"{name}: {', '.join(sorted(told)) or 'none stated'}")
    if wrong:
        sys.exit("licences that nobody has looked at: " + "; ".join(wrong))
    return bom


def with_weights(bom: dict[str, Any]) -> dict[str, Any]:
    """The same with every model that is shipped."""
    refs = []
    for card in sorted((ROOT / "models").glob("*/card.toml")):
        values = tomllib.loads(card.read_text())
        ref = f"model:{values['name']}@{values['version']}"
        refs.append(ref)
        bom["components"].append(
            {
                "bom-ref": ref,
                "type": "machine-learning-model",
                "name": values["name"],
                "version": values["version"],
                "hashes": [{"alg": "SHA-256", "content": values["sha256"]}],
                "licenses": [{"license": {"id": values["license"], "acknowledgement": "declared"}}],
            }
        )
        bom["dependencies"].append({"ref": ref})
    root = bom["metadata"]["component"]["bom-ref"]
    (entry,) = (e for e in bom["dependencies"] if e["ref"] == root)
    entry["dependsOn"] = sorted({*entry.get("dependsOn", ()), *refs})
    return bom


def require_valid(text: str) -> None:
    """Return where this is CycloneDX by its JSON schema."""
    from cyclonedx.schema import OutputFormat, SchemaVersion
    from cyclonedx.validation import make_schemabased_validator

    if error := make_schemabased_validator(OutputFormat.JSON, SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"not valid CycloneDX 1.6: {error}")


def main(python: str, out: str) -> None:
    """Write the bill of materials of the service installed for ``python``."""
    bom = with_weights(with_licences(of_the_service(described(python), locked())))
    text = json.dumps(bom, indent=1) + "\n"
    require_valid(text)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(text)
    print(f"{len(bom['components'])} components, their licences accepted, in {out}")


if __name__ == "__main__":
    main(*sys.argv[1:])
