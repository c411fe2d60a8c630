"""Puts the digest of each image behind its tag, as the registries tell it now: NAME:TAG@sha256:...

usage: images.py FILE...        Dockerfile, compose.yaml

Run by ``make images``. It asks ``docker buildx imagetools``, changes nothing where one answer is missing, and
takes the newest digest of a tag that has one already.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")

NAMED = re.compile(
    r"(?m)^(?P<before>\s*image: |ARG BASE=)(?P<image>[\w./-]+:[\w.-]+)(@sha256:[0-9a-f]{64})?$"
)
"""Where images are named in both kinds of file; one that is built here has no tag."""


def digest_of(image: str) -> str:
    """The digest that a tag stands for; ends where nobody tells it."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", image]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    told = done.stdout.strip()
    if done.returncode or not DIGEST.fullmatch(told):
        sys.exit(f"no digest of {image}: {done.stderr.strip() or told or 'nothing was answered'}")
    return told


def pinned(text: str) -> str:
    """A file with the digests of its images."""
    return NAMED.sub(lambda found: f"{found['before']}{found['image']}@{digest_of(found['image'])}", text)


def main(*files: str) -> None:
    """Pin the images of these files, or of none."""
    if shutil.which("docker") is None:
        sys.exit("docker is not installed; it is what asks registries for digests")
    texts = {Path(file): pinned(Path(file).read_text()) for file in files}
    for path, text in texts.items():
        path.write_text(text)


if __name__ == "__main__":
    main(*sys.argv[1:])
