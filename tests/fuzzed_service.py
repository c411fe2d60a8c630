"""The service with its whole line but the networks: ``python -m tests.fuzzed_service CONFIG``."""

from __future__ import annotations

import sys

from cvai.jobs.inference_lock import InferenceLock
from cvai.jobs.installed import Installed
from cvai.jobs.loading import installed_of
from tests.fuzzing import DrawnHeart, NoHeart
from tests.ready import ready
from tests.service import serve


def analyses() -> tuple[Installed, ...]:
    """The analyses of the registry, their labels drawn without a network."""
    lane = InferenceLock()
    return tuple(installed_of(analysis, lane) for analysis in ready(DrawnHeart(), NoHeart))


if __name__ == "__main__":
    serve(sys.argv[1], *analyses())
