"""An ultrasound phantom as a study on disk: DICOM instances and, beside them, the truth."""

from __future__ import annotations

from pathlib import Path

from cvai.phantom.cine_sax.study import new_study_folder
from cvai.phantom.echo_apical.dicom import write_loops
from cvai.phantom.echo_apical.parameters import LoopAcquisition
from cvai.phantom.echo_apical.phantom import EchoTruth, make_echo_phantom
from cvai.phantom.parameters import PhantomHeart


def write_echo_phantom_study(
    folder: Path, heart: PhantomHeart | None = None, acquisition: LoopAcquisition | None = None
) -> EchoTruth:
    """Make two apical loops and write ``dicom/*.dcm`` and ``truth.json`` into ``folder``.

    The same arguments write the same bytes.

    Args:
        folder: made where it does not exist.
        heart: the heart; one of 55 % ejection fraction that goes with the seed if None.
        acquisition: how it is imaged; the usual way if None.
    """
    acquisition = acquisition or LoopAcquisition()
    phantom = make_echo_phantom(heart or PhantomHeart.drawn(acquisition.seed), acquisition)
    write_loops(new_study_folder(folder, phantom.truth), phantom)
    return phantom.truth
