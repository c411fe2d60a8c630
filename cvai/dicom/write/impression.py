"""Where an impression is from, as every result states it."""

from __future__ import annotations

from cvai.dicom.read.header.names import readable_name
from cvai.dicom.write.report.document import readable_time
from cvai.domain.impression import Impression
from cvai.domain.message import Message, say


def impression_origin(impression: Impression) -> Message:
    """Who wrote an impression and when; or that it is the software's proposal."""
    if not impression.author:
        return say("Proposed by the software from the numbers, and signed unaltered.")
    return say(
        "Written by {who}, {when}.", who=readable_name(impression.author), when=readable_time(impression.at)
    )
