"""What ``python -m benchmarks.providers`` says of whole studies."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest

from benchmarks.providers import print_studies, reason_to_skip, studies_on
from cvai.models.folders import model_folder
from tests.analyses.test_analyse import CINE, DrawnHeart
from tests.dicom.read.dicom_files import images, write
from tests.ready import ready


def test_studies_are_timed_alone_and_beside_each_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, images(CINE))
    cine, _ = ready(DrawnHeart())
    measured = studies_on("drawn", cine, tmp_path, 1)
    assert measured.ms_a_study is not None
    assert measured.infer_ms_a_study is not None
    assert measured.studies_a_minute is not None
    assert 0 < measured.infer_ms_a_study < measured.ms_a_study
    assert measured.studies_a_minute > 0
    assert (measured.skipped, measured.device_failures) == ("", 0)
    print_studies([measured], "a title")
    assert "drawn" in capsys.readouterr().out


def test_a_device_that_is_not_there_is_skipped_with_the_reason() -> None:
    assert reason_to_skip(model_folder("sax"), "cpu") == ""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("CUDA is offered here")
    assert "CUDAExecutionProvider is not offered" in reason_to_skip(model_folder("sax"), "cuda")
