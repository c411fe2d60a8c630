"""Requests to cancel workitems arrive over TLS, from servers that somebody vouches for."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cvai.archive.http import new_session
from cvai.transfer.ups_events import WorkitemEvents
from tests.dicom_peers import needs_openssl, self_signed
from tests.ups_server import WorklistStore, notifying, running_worklist, workitem

AE, ITEM, STUDY = "CVAI", "1.2.826.0.1.3680043.10.999.7.1", "1.2.826.0.1.3680043.10.999.7"


@needs_openssl
@pytest.mark.parametrize("is_trusted", [True, False])
def test_requests_arrive_over_tls_from_a_trusted_server_alone(
    is_trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed(tmp_path)
    if is_trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate.certificate))
    store = WorklistStore()
    store.add(workitem(ITEM, STUDY))
    store.workitems[ITEM].ProcedureStepState = "IN PROGRESS"
    with running_worklist(store) as url, notifying(store, certificate.for_callers()) as events_url:
        events = WorkitemEvents(url, events_url, new_session("cvai", "secret"), 5, AE)
        assert list(events.cancel_requests({ITEM})) == []
        assert store.subscribed == ({(ITEM, AE)} if is_trusted else set())
        if is_trusted:
            assert store.request_cancel(ITEM, AE, "wrong patient") == 202
            assert received(events) == [(ITEM, "wrong patient")]
        events.close()


def received(events: WorkitemEvents) -> list[tuple[str, str]]:
    """The first requests that arrive within ten seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if found := list(events.cancel_requests({ITEM})):
            return found
        time.sleep(0.02)
    return []
