"""What cvai uses of other packages without their promise to keep it.

Each package here has an upper bound in pyproject.toml: raise it once these tests pass with the newer version.
Every test uses the private part as cvai does, and its docstring says what breaks without it. The columns and
states of DBOS's own table are in test_jobs_database.py.
"""

from __future__ import annotations

import ast
import re
import socket
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import pytest
import sqlalchemy
import uvicorn
from dbos import DBOS
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification
from pynetdicom.transport import AssociationSocket
from reportlab.pdfgen.canvas import Canvas
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from cvai.dicom.write.report.embedded_fonts import EmbeddedFont, operators
from cvai.dicom.write.report.typeset import laid_out
from cvai.jobs.job import JobState
from cvai.review.connections import LimitedConnection, limited
from cvai.transfer.guarded import GuardedSocket
from cvai.transfer.node import listening
from tests.conftest import ROOT
from tests.dicom_peers import a_node
from tests.jobs.conftest import Bench
from tests.process import closing_database, eventually
from tests.standin import derived_uid, write_study

STUDY = derived_uid("private parts")
BOUNDED = {"dbos", "pynetdicom", "reportlab", "uvicorn"}
PRIVATE = {"_sys_db", "_recover_pending_workflows", "_create_association", "_doc"}
DOCUMENTED = {"_exit"}
"""Of ``os``: public for all its name."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.stop()


def test_packages_whose_private_parts_are_used_have_an_upper_bound() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.match(r"[a-z-]+", each)[0] for each in wanted if re.search(r"<\d", each)} == BOUNDED


def names(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Names that a module defines (True) or uses (False)."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, True
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name, True
            case ast.Attribute(attr=name) | ast.alias(name=name):
                yield name, False


def test_no_other_private_names_are_used() -> None:
    found = [each for path in (ROOT / "cvai").rglob("*.py") for each in names(ast.parse(path.read_text()))]
    used, own = ({name for name, defines in found if defines is ours} for ours in (False, True))
    foreign = {name for name in used - own if name.startswith("_") and not name.startswith("__")}
    assert foreign - DOCUMENTED == PRIVATE


@pytest.mark.slow
def test_dbos_has_its_engine_at_sys_db(bench: Bench) -> None:
    """``DBOS._sys_db.engine`` (jobs/jobs.py): without it a job that ends while the disk is full breaks.

    DBOS also takes an engine, but then sets none of its time limits and locks on it.
    """
    engine = bench.start()
    database = engine._dbos._sys_db.engine
    with database.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE t (x)")
    with database.connect() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        with pytest.raises(PoolTimeoutError, match="disk"):
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")


@pytest.mark.slow
def test_dbos_takes_over_jobs_of_a_worker_by_its_name(bench: Bench, tmp_path: Path) -> None:
    """``DBOS._recover_pending_workflows`` (jobs/jobs.py): without it jobs of dead workers are never ended.

    ``DBOS.resume_workflow`` is public, but takes a job away from a worker that has taken it over meanwhile,
    and does not count how often its workers died.
    """
    bench.receive(write_study(tmp_path / "src", STUDY))
    job = bench.job(STUDY)
    engine = bench.start()
    engine.submit(job)
    bench.ended(job)
    with closing_database(bench.url) as database, database.begin() as connection:
        connection.execute(
            sqlalchemy.text(
                "UPDATE workflow_status SET status = 'PENDING', executor_id = 'dead', output = NULL"
                " WHERE workflow_uuid = :job"
            ),
            {"job": job.job_id},
        )
    assert engine.adopt(["living"]) == 0
    assert engine.adopt(["dead"]) == 1
    assert engine.adopt(["dead"]) == 0
    bench.ended(job, having=lambda record: record.outcome.state is JobState.ANALYSED)
    (status,) = DBOS.list_workflows(workflow_ids=[job.job_id])
    assert status.recovery_attempts == 2


@pytest.mark.usefixtures("dead_lines_closed")
def test_pynetdicom_makes_an_association_whose_socket_can_be_replaced() -> None:
    """``RequestHandler._create_association``, ``dul.socket`` and ``AssociationSocket._shutdown_socket``.

    transfer/guarded.py: without the first two callers are read from without limits of time and size, without
    the third a line that the caller has left is not closed.
    """
    seen: list[AssociationSocket] = []
    lines: list[socket.socket] = []

    def note(event: evt.Event) -> None:
        seen.append(event.assoc.dul.socket)
        lines.append(event.assoc.dul.socket.socket)

    with listening(a_node(), [], [(evt.EVT_ACCEPTED, note)]) as port:
        caller = AE("SCANNER")
        caller.add_requested_context(Verification)
        association = caller.associate("127.0.0.1", port, ae_title="CVAI")
        assert association.send_c_echo().Status == 0
        association.release()
        eventually(lambda: bool(lines) and lines[0].fileno() == -1, "the line to be closed")
    assert [type(each) for each in seen] == [GuardedSocket]
    assert "_shutdown_socket" in vars(AssociationSocket)


def test_reportlab_embeds_glyphs_that_no_character_has() -> None:
    """``Canvas._doc``, tables of ``TTFont.face`` and ``toUnicodeCMap`` objects (dicom/write/report/).

    Without them names in Arabic, Devanagari and other scripts cannot be printed, searched and copied.
    """
    canvas = Canvas("unused.pdf", invariant=1)
    (run,) = laid_out("لا")
    font = EmbeddedFont(run.font)
    canvas.addLiteral(operators(run, font, canvas._doc, (0.0, 0.0), 12.0))
    document = canvas.getpdfdata()
    told = [v.content for k, v in canvas._doc.idToObject.items() if k.startswith("toUnicodeCMap:")]
    assert document.startswith(b"%PDF")
    assert len(told) == 1
    assert re.search(r"<[0-9A-F]{2}> <(FEFB|06440627)>", told[0]), told[0]


@contextmanager
def served(protocol: type[LimitedConnection]) -> Iterator[int]:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, http=protocol, ws="none", log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)


def test_uvicorn_tells_what_a_connection_waits_for() -> None:
    """``H11Protocol.conn``, ``.cycle``, ``.client`` and ``.loop`` (review/connections.py).

    Without them the page cannot tell a silent connection from one that is being answered, and idle callers
    keep others out.
    """
    seen: list[tuple[str, object, bool]] = []

    class Watched(limited(10, 10, ())):  # type: ignore[misc]
        def data_received(self, data: bytes) -> None:
            silent = self.is_silent
            super().data_received(data)
            seen.append((self.address, self.conn.their_state, silent))

    with served(Watched) as port, socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        line.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n")
        eventually(lambda: len(seen) == 1, "the head to be read")
        line.sendall(b"ok")
        answer = line.recv(1000)
        eventually(lambda: len(seen) == 2, "the body to be read")
    assert answer.startswith(b"HTTP/1.1 200")
    assert [address for address, _, _ in seen] == ["127.0.0.1", "127.0.0.1"]
    assert seen[0][1:] == (h11.SEND_BODY, True)
