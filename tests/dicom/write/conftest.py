"""Results of a synthetic analysis, written once and read back by many tests."""

from __future__ import annotations

import pytest

from cvai.dicom.write.instance import ResultContext
from tests.dicom.write.synthetic import (
    CREATED,
    FULLY_KNOWN,
    Written,
    context_of,
    make_analysis,
    write_results,
)


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Results of a single-frame source study."""
    analysis = make_analysis()
    folder = tmp_path_factory.mktemp("results")
    write_results(analysis, folder, created=CREATED)
    return Written(analysis, folder)


@pytest.fixture(scope="session")
def written_of_known_subject(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Results of a study that states sex, age, height and weight."""
    analysis = make_analysis(subject=FULLY_KNOWN)
    folder = tmp_path_factory.mktemp("known_subject")
    write_results(analysis, folder, created=CREATED)
    return Written(analysis, folder)


@pytest.fixture(scope="session")
def written_multiframe(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Results of a study whose cine is one Enhanced MR instance."""
    analysis = make_analysis(multiframe=True)
    folder = tmp_path_factory.mktemp("multiframe")
    write_results(analysis, folder, created=CREATED)
    return Written(analysis, folder)


@pytest.fixture
def context() -> ResultContext:
    return context_of(make_analysis())
