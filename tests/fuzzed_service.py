"""The service with its whole line but the networks: ``python -m tests.fuzzed_service CONFIG``."""

from __future__ import annotations

import sys
from pathlib import Path

from cvai.engine.analyse import StudyOutcome, analyse_folder
from tests.fuzzing import DrawnHeart, NoHeart
from tests.ready import ready
from tests.service import serve


def analyse(source: Path, out: Path) -> tuple[StudyOutcome, ...]:
    return analyse_folder(source, out, ready(DrawnHeart(), NoHeart))


if __name__ == "__main__":
    serve(sys.argv[1], analyse)
