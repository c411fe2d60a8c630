"""compose.yaml by the rules of the Compose Specification, as far as they can be checked without an engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
import sqlalchemy
import yaml
from psycopg import sql

from cvai.archive.http import new_session
from cvai.jobs.database import open_database
from cvai.settings import Settings
from tests.conftest import ROOT
from tests.jobs.conftest import Bench
from tests.orthanc import Orthanc, needs_orthanc
from tests.postgres import needs_postgres, running_postgres
from tests.standin import derived_uid, write_study

PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
PASSWORDS = [
    PRINTABLE,
    PRINTABLE[::-1],
    " spaces around ",
    "12345678",
    "null",
    '"quoted"',
    "'quoted'",
    '{"a": [1]}',
    "${HOME}$$x%20%%+",
    "http://a:b@c/d?e#f // comment /* no */",
    "\\back\\slash\\",
    "pässwörd €𝄞",
]

KNOWN_KEYS = {
    *("build", "image", "command", "entrypoint", "user", "environment", "volumes", "network_mode"),
    *("restart", "healthcheck", "depends_on", "read_only", "tmpfs", "cap_drop", "security_opt"),
}
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """What Compose puts in place of variables: in values of the parsed file, not in what it has put in."""
    if isinstance(value, dict):
        return {key: interpolated(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def put(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name, required = found["name"], found["required"]
        assert name is not None, f"a lone $ in {value!r}"
        assert required is not None, f"{name} may be missing or empty without a word"
        return variables[name]

    return re.sub(r"\$\$|\$\{(?P<name>\w+)(?P<required>:\?)?[^}]*\}|\$", put, value)


def compose(postgres: str = "p", orthanc: str = "o") -> dict[str, Any]:
    parsed = yaml.safe_load((ROOT / "compose.yaml").read_text())
    variables = {"POSTGRES_PASSWORD": postgres, "ORTHANC_PASSWORD": orthanc}
    return dict(interpolated(parsed, variables))


SERVICES = compose()["services"]


def test_top_level_keys_are_those_of_the_specification() -> None:
    assert {key for key in compose() if not key.startswith("x-")} == {"services", "volumes"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_known_keys_and_an_image_of_a_fixed_version(name: str) -> None:
    service = SERVICES[name]
    assert service.keys() <= KNOWN_KEYS
    image = service["image"]
    assert "build" in service or re.search(r":v?\d+\.?\d*[\w.-]*(@sha256:[0-9a-f]{64})?$", image), image
    assert all(isinstance(value, str) for value in service.get("environment", {}).values())


@pytest.mark.parametrize("name", SERVICES)
def test_what_a_service_waits_for_can_come_true(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        condition = how["condition"]
        assert condition in CONDITIONS
        waited_for = SERVICES[other]
        if condition == "service_healthy":
            assert "test" in waited_for["healthcheck"]
        if condition == "service_completed_successfully":
            assert waited_for["restart"] == "no", "what is started again never completes"


def test_nobody_waits_for_himself() -> None:
    waits = {name: set(service.get("depends_on", {})) for name, service in SERVICES.items()}
    while free := {name for name, others in waits.items() if not others}:
        waits = {name: others - free for name, others in waits.items() if name not in free}
    assert waits == {}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_that_goes_on_is_looked_after(name: str) -> None:
    service = SERVICES[name]
    if service["restart"] == "no":
        return
    health = service["healthcheck"]
    assert health["test"][0] == "CMD"
    assert {"interval", "timeout", "start_period"} <= health.keys()
    assert all(re.fullmatch(r"\d+s", health[key]) for key in ("interval", "timeout", "start_period"))


def test_every_volume_is_declared_and_every_declared_one_used() -> None:
    used = {
        volume.split(":")[0]
        for service in SERVICES.values()
        for volume in service.get("volumes", ())
        if not volume.startswith(".")
    }
    assert used == compose()["volumes"].keys()


def test_what_is_mounted_from_the_tree_is_in_it() -> None:
    mounted = [v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", ()) if v.startswith(".")]
    assert mounted
    assert all((ROOT / path).is_file() for path in mounted)


def test_prometheus_asks_services_there_are_at_the_port_the_image_opens() -> None:
    config = yaml.safe_load((ROOT / "configs" / "prometheus.yml").read_text())
    (targets,) = [s["targets"] for job in config["scrape_configs"] for s in job["static_configs"]]
    assert [target.split(":")[0] for target in targets] == ["serve", "worker"]
    assert "CVAI_MONITOR_ADDRESS=0.0.0.0:9108" in (ROOT / "Dockerfile").read_text()
    assert {target.split(":")[1] for target in targets} == {"9108"}


@pytest.fixture
def settings_of(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The settings of a service of compose.yaml."""
    for name in [name for name in os.environ if name.startswith("CVAI_")]:
        monkeypatch.delenv(name)

    def read(service: str, postgres: str = "p", orthanc: str = "o") -> Settings:
        for name, value in compose(postgres, orthanc)["services"][service]["environment"].items():
            monkeypatch.setenv(name, value)
        return Settings()

    return read


@pytest.mark.parametrize("password", PASSWORDS)
def test_passwords_reach_the_settings_as_they_are(password: str, settings_of: Any) -> None:
    for service in ("serve", "worker"):
        settings = settings_of(service, postgres=password, orthanc=password)
        assert settings.orthanc.password.get_secret_value() == password
        url = sqlalchemy.make_url(settings.jobs_database_url)
        assert (url.username, url.password, url.host, url.database) == ("cvai", password, "postgres", "cvai")
    assert compose(password)["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"] == password


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A PostgreSQL that asks the user cvai for a password."""
    with running_postgres() as url:
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute("CREATE ROLE cvai LOGIN")
            admin.execute("CREATE DATABASE cvai OWNER cvai")
            (path,) = admin.execute("SHOW hba_file").fetchone() or ("",)
            lines = "host all cvai 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n"
            admin.execute(
                sql.SQL("COPY (SELECT unnest({}::text[])) TO {}").format(
                    sql.Literal(lines.splitlines()), sql.Literal(path)
                )
            )
            admin.execute("SELECT pg_reload_conf()")
        yield url


def with_password(server: str, password: str, settings: Settings) -> str:
    """The database of the settings where the server really is, once it asks for this password."""
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute(sql.SQL("ALTER ROLE cvai PASSWORD {}").format(sql.Literal(password)))
    real = sqlalchemy.make_url(server)
    url = sqlalchemy.make_url(settings.jobs_database_url).set(host=real.host, port=real.port)
    return url.render_as_string(hide_password=False)


@pytest.mark.slow
@needs_postgres
@pytest.mark.parametrize("password", PASSWORDS)
def test_postgresql_lets_in_whoever_has_the_password(password: str, settings_of: Any, server: str) -> None:
    database = open_database(with_password(server, password, settings_of("serve", postgres=password)))
    with database.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT current_user")) == "cvai"
    database.dispose()
    wrong = open_database(with_password(server, password + "x", settings_of("serve", postgres=password)))
    with pytest.raises(sqlalchemy.exc.OperationalError):
        wrong.connect()
    wrong.dispose()


@pytest.mark.slow
@needs_postgres
def test_jobs_are_worked_on_behind_a_password_of_every_printable_character(
    settings_of: Any, server: str, tmp_path: Path
) -> None:
    bench = Bench(tmp_path)
    bench.url = with_password(server, PRINTABLE, settings_of("serve", postgres=PRINTABLE))
    study_uid = derived_uid("password")
    bench.receive(write_study(tmp_path / "src", study_uid))
    engine = bench.start()
    engine.submit(bench.job(study_uid))
    assert bench.ended(bench.job(study_uid)).outcome.state == "analysed"
    bench.stop()


def written_users(password: str, folder: Path) -> Path:
    """What the service orthanc-users leaves for Orthanc."""
    service = compose(orthanc=password)["services"]["orthanc-users"]
    environment = {**service["environment"], "USERS_FILE": str(folder / "users.json")}
    _, *arguments = service["entrypoint"]
    before = os.umask(0)
    try:
        subprocess.run([sys.executable, *arguments], env=environment, check=True)
    finally:
        os.umask(before)
    return folder / "users.json"


@pytest.mark.slow
@pytest.mark.parametrize("password", PASSWORDS)
def test_users_of_orthanc_are_json_that_only_its_owner_reads(password: str, tmp_path: Path) -> None:
    for _ in range(2):  # as it is written once more at each start
        users = written_users(password, tmp_path)
    assert json.loads(users.read_text()) == {"RegisteredUsers": {"cvai": password}}
    assert "//" not in users.read_text()
    assert users.stat().st_mode & 0o777 == 0o600


class GuardedOrthanc(Orthanc):
    """An Orthanc with users of its own."""

    def __init__(self, folder: Path, users: dict[str, str]) -> None:
        super().__init__(folder)
        self._users = users
        self.session = new_session(*next(iter(users.items())))

    def _configuration(self) -> dict[str, object]:
        return {**super()._configuration(), "RegisteredUsers": self._users}


@needs_orthanc
@pytest.mark.orthanc
@pytest.mark.parametrize("password", [PRINTABLE, "pässwörd €𝄞"])
def test_orthanc_lets_in_whoever_has_the_password(password: str, tmp_path: Path) -> None:
    users = json.loads(written_users(password, tmp_path).read_text())["RegisteredUsers"]
    orthanc = GuardedOrthanc(tmp_path / "orthanc", users)
    orthanc.start()
    try:
        assert orthanc.session.get(f"{orthanc.url}/system", timeout=60).status_code == 200
        denied = requests.get(f"{orthanc.url}/system", auth=("cvai", "wrong"), timeout=60)
        assert denied.status_code == 401
    finally:
        orthanc.stop()
