"""Pages of the reference that are made from the code: commands, settings and result.json.

``python -m benchmarks.reference`` writes them into docs/reference. A test compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from cvai.cli.lazy import COMMANDS, LazyCommands
from cvai.dicom.write.codes import MEASUREMENT_CODES
from cvai.dicom.write.result_json import result_schema

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
EXAMPLE = ROOT / "configs" / "service.example.toml"
MADE = "<!-- Made by `python -m benchmarks.reference`. -->\n"


def cell(text: str) -> str:
    """Text as it may stand in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def commands() -> str:
    """Every command with its help."""
    group = LazyCommands()
    parts = [
        "# Commands\n",
        MADE,
        "`cvai COMMAND --help` prints the same. Data goes to stdout, logs and progress to stderr; errors end "
        "with a hint.\nExit status: 0 done, 1 failed, 2 wrong usage or configuration, 3 refused, "
        "4 undecided.\n",
    ]
    for name in COMMANDS:
        parts.extend(command_parts(f"cvai {name}", group.get_command(None, name), 2))
    return "\n".join(parts)


def command_parts(title: str, command: Any, level: int) -> Iterator[str]:
    """Heading, help, example and options of a command, then those of its own commands."""
    yield f"{'#' * level} {title}\n"
    text, _, example = (command.help or "").partition("\b\n")
    yield "\n\n".join(cell(block) for block in text.strip().split("\n\n")) + "\n"
    if example:
        lines = example.strip().removeprefix("Example:").splitlines()
        yield "```\n" + "\n".join(line.strip() for line in lines) + "\n```\n"
    if rows := [row(parameter) for parameter in command.params if parameter.name != "help"]:
        yield "| argument or option | what | default |\n|---|---|---|\n" + "\n".join(rows) + "\n"
    for name, inner in getattr(command, "commands", {}).items():
        yield from command_parts(f"{title} {name}", inner, level + 1)


def row(parameter: Any) -> str:
    """One argument or option."""
    is_option = parameter.opts[0].startswith("-")
    names = parameter.opts if is_option else [parameter.metavar or parameter.name.upper()]
    default = parameter.default
    if parameter.required:
        shown = "required"
    else:
        shown = "" if default is None or default is False or callable(default) else f"`{default}`"
    return f"| {', '.join(f'`{name}`' for name in names)} | {cell(parameter.help or '')} | {shown} |"


def settings() -> str:
    """Every setting, with what the example says about it."""
    parts = [
        "# Settings\n",
        MADE,
        "Settings of `cvai serve`, `worker`, `jobs` and `doctor`, from a TOML file (`--config`) or from the "
        "environment, which\ntakes precedence. [service.example.toml](../../configs/service.example.toml) is "
        "the same as a file to copy. Keep\nsecrets in the environment. An unknown key is refused.\n",
        "## Without a table\n",
    ]
    head = "| setting | environment | default or example | what |\n|---|---|---|---|"
    rows: list[str] = [head]
    table, comment = "", list[str]()
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines()[8:]:
        if found := re.fullmatch(r"\[(\w+)\]", line):
            table, comment = found[1], []
            parts += ["\n".join(rows) + "\n", f"## [{table}]\n"]
            rows = [head]
        elif found := re.fullmatch(r"# ([a-z_]+) = (.*)", line):
            environment = "CVAI_" + "__".join(filter(None, (table.upper(), found[1].upper())))
            value = found[2].replace("|", "\\|")
            rows.append(f"| `{found[1]}` | `{environment}` | `{value}` | {cell(' '.join(comment))} |")
        elif line.startswith("#"):
            if not line.startswith("#  "):
                comment.append(line[1:].strip())
        else:
            comment = []
    return "\n".join([*parts, "\n".join(rows) + "\n"])


def result() -> str:
    """The fields of result.json, and the measurements."""
    schema = result_schema()
    parts = [
        "# result.json\n",
        MADE,
        f"`{schema['$id']}`: all results of one study. The JSON Schema is "
        "`cvai/dicom/write/result.schema.json`; "
        "every file is\nvalid under it. Fields may be added, never renamed. Codes are explained on "
        "[their own page](codes.md).\n",
        "## Fields\n",
        field_table(schema),
    ]
    for name, definition in schema["$defs"].items():
        if definition.get("type") == "object" and "properties" in definition:
            parts += [f"### {name}\n", sentence(definition), field_table(definition)]
    parts += ["## Measurements\n", measurement_table()]
    return "\n".join(part for part in parts if part)


def sentence(definition: Mapping[str, Any]) -> str:
    text = definition.get("description", "")
    return f"{text[:1].upper()}{text[1:]}.\n" if text else ""


def field_table(definition: Mapping[str, Any]) -> str:
    rows = [
        f"| `{name}` | {kind(field)} | {cell(field.get('description', ''))} |"
        for name, field in definition["properties"].items()
    ]
    return "| field | type | what |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def kind(field: Mapping[str, Any]) -> str:
    """The type of a field in words.

    >>> kind({"anyOf": [{"type": "null"}, {"$ref": "#/$defs/model"}]})
    'null or model'
    """
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(kind(choice) for choice in field["anyOf"])
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "items" in field:
        return f"list of {kind(field['items'])}"
    types = field.get("type", "any")
    return types if isinstance(types, str) else " or ".join(types)


def measurement_table() -> str:
    rows = [
        f"| `{name}` | {cell(coding.meaning)} | {coding.name.value} ({coding.name.scheme_designator}) |"
        for name, coding in MEASUREMENT_CODES.items()
    ]
    return "| name | meaning | code |\n|---|---|---|\n" + "\n".join(rows) + "\n"


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "settings.md": settings,
    "result.md": result,
}


def main() -> None:
    for name, make in PAGES.items():
        (FOLDER / name).write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
