"""Values against the standard's letter are let through for those who ask, and only for as long as they do."""

from __future__ import annotations

import threading
import warnings

import pytest
from pydicom import Dataset, config

from cvai.dicom.read.header.tolerance import tolerating_values

BAD_UID = "1.2.03"


def _set_bad_uid() -> None:
    Dataset().StudyInstanceUID = BAD_UID


def test_warnings_are_back_when_the_last_user_has_left() -> None:
    with tolerating_values():
        with tolerating_values():
            _set_bad_uid()
        _set_bad_uid()
    with pytest.warns(UserWarning, match="Invalid value for VR UI"):
        _set_bad_uid()


def test_other_warnings_are_not_silenced() -> None:
    with tolerating_values(), pytest.warns(UserWarning, match="mine"):
        warnings.warn("mine", stacklevel=1)


def test_an_error_inside_leaves_nothing_behind() -> None:
    before = config.settings.reading_validation_mode
    with pytest.raises(ZeroDivisionError), tolerating_values():
        _ = 1 / 0
    assert config.settings.reading_validation_mode == before


def test_threads_that_come_and_go_do_not_disturb_each_other() -> None:
    before = config.settings.reading_validation_mode
    modes: list[int] = []
    all_inside = threading.Barrier(3)

    def use(leave_after: threading.Event, left: threading.Event) -> None:
        with tolerating_values():
            all_inside.wait(5)
            leave_after.wait(5)
            modes.append(config.settings.reading_validation_mode)
        left.set()

    events = [threading.Event() for _ in range(4)]
    threads = [
        threading.Thread(target=use, args=(events[0], events[1])),
        threading.Thread(target=use, args=(events[1], events[2])),  # leaves after the first has left
        threading.Thread(target=use, args=(events[2], events[3])),
    ]
    for thread in threads:
        thread.start()
    events[0].set()
    for thread in threads:
        thread.join(10)
    assert modes == [config.IGNORE] * 3
    assert config.settings.reading_validation_mode == before
