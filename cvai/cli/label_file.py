"""Where ``cvai segment`` writes: known to be possible before anything is computed, whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cvai.errors import ConfigurationInvalid, TemporarilyUnavailable

NIFTI_ENDINGS = (".nii", ".nii.gz", ".hdr", ".img")
PNG_ENDINGS = (".png",)


def require_writable(target: Path, source: Path, endings: Sequence[str]) -> None:
    """Refuse a target that cannot be written, or that is the source itself.

    Raises:
        ConfigurationInvalid: ``target_invalid``.
    """
    if not target.name.lower().endswith(tuple(endings)):
        raise _invalid(f"OUT has none of the endings {', '.join(endings)}.", "Name it with one of them.")
    if target.is_dir():
        raise _invalid("OUT is a folder.", "Name a file in it.")
    if not target.parent.is_dir():
        raise _invalid("The folder of OUT does not exist.", "Make it first.")
    if not os.access(target.parent, os.W_OK) or (target.exists() and not os.access(target, os.W_OK)):
        raise _invalid("OUT cannot be written by this user.", "Name another place, or change its rights.")
    if any(a.exists() and b.exists() and a.samefile(b) for a in _files(target) for b in _files(source)):
        raise _invalid("OUT is the file that is read.", "Name another file: the image would be lost.")


def write_whole(target: Path, write: Callable[[Path], None]) -> None:
    """Have ``write`` write a file of the target's name, and put what it wrote in the target's place.

    Raises:
        TemporarilyUnavailable: ``disk_unavailable``, the target is as it was.
    """
    target = target.resolve()
    try:
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".cvai-") as draft:
            write(Path(draft) / target.name)
            for written in Path(draft).iterdir():
                written.replace(target.with_name(written.name))
    except OSError as error:
        raise TemporarilyUnavailable(
            "disk_unavailable", f"OUT could not be written: {error.strerror}.", "Make room, or mend the disk."
        ) from error


def _files(path: Path) -> list[Path]:
    """The file, and the other one of a pair of header and image."""
    other = {".hdr": ".img", ".img": ".hdr"}.get(path.suffix.lower())
    return [path] if other is None else [path, path.with_suffix(other)]


def _invalid(what: str, hint: str) -> ConfigurationInvalid:
    return ConfigurationInvalid("target_invalid", what, hint)
