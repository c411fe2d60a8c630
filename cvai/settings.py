"""Every setting of the service, read once at start and never changed.

Values come from ``CVAI_*`` environment variables, then from a TOML file, then from the defaults here; tables
of the file are joined by two underscores in a variable's name, as in ``CVAI_ORTHANC__URL``. Keys of the file
that do not exist are refused. ``configs/service.example.toml`` describes each setting for those who set them.
"""

from __future__ import annotations

import tomllib
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyNetwork,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cvai.errors import ConfigurationInvalid
from cvai.languages import ENGLISH, LANGUAGES
from cvai.wrong_keys import worded

HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s@]+$")]
WebSocketUrl = Annotated[str, Field(pattern=r"^wss?://[^\s@]+$")]
"""Credentials are separate settings, since addresses are logged."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class FolderSettings(_Table):
    """The embedded archive."""

    inbox: Path | None = None
    inbox_shared: bool = False
    archive: Path | None = None
    settle_s: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _others_reach_a_shared_inbox(self) -> Self:
        if self.inbox_shared and self.inbox is None:
            raise ValueError("inbox_shared needs an inbox of its own, outside data_folder")
        return self


class OrthancSettings(_Table):
    """An Orthanc with its DICOMweb plugin."""

    url: HttpUrl = "http://localhost:8042"
    dicomweb_path: str = "/dicom-web"
    username: str | None = None
    password: SecretStr | None = None
    timeout_s: float = Field(default=30.0, gt=0)
    backlog: Literal["analyse", "ignore"] = "analyse"


class DicomwebSettings(_Table):
    """Any archive with QIDO-RS, WADO-RS and STOW-RS."""

    url: HttpUrl = "http://localhost/dicom-web"
    username: str | None = None
    password: SecretStr | None = None
    timeout_s: float = Field(default=30.0, gt=0)
    settle_s: float = Field(default=30.0, gt=0)
    look_back_days: int = Field(default=3, ge=1)
    older: Literal["analyse", "ignore"] = "analyse"


class ReviewSettings(_Table):
    """The reader's page of ``cvai serve``."""

    address: str | None = Field(default=None, pattern=r"^[^\s:/@]+:[0-9]{1,5}$")
    public_url: HttpUrl | None = None
    proxies: tuple[IPvAnyNetwork, ...] = ()
    connections: int = Field(default=200, ge=10)
    connections_per_address: int = Field(default=60, ge=6)
    organization: str = Field(default="cvai", min_length=1, max_length=64)
    session_idle_minutes: float = Field(default=60.0, gt=0)
    session_hours: float = Field(default=12.0, gt=0)
    cache_gb: float = Field(default=4.0, gt=0)
    viewer_url: HttpUrl | None = None
    language: str = ENGLISH

    @field_validator("language")
    @classmethod
    def _there_is_a_catalogue(cls, language: str) -> str:
        if language not in LANGUAGES:
            raise ValueError(f"language must be one of {', '.join(LANGUAGES)}")
        return language


LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


class OidcSettings(_Table):
    """An OpenID provider that says who readers are."""

    issuer: HttpUrl | None = None
    client_id: str = Field(default="cvai", min_length=1)
    client_secret: SecretStr | None = None
    scope: str = Field(default="openid profile", pattern=r"(^|\s)openid(\s|$)")
    name_claim: str = Field(default="preferred_username", min_length=1)
    role_claim: str = Field(default="roles", min_length=1)
    viewer: tuple[str, ...] = ("cvai-viewer",)
    reviewer: tuple[str, ...] = ("cvai-reviewer",)
    admin: tuple[str, ...] = ("cvai-admin",)
    clock_skew_s: int = Field(default=60, ge=0, le=600)
    timeout_s: float = Field(default=10.0, gt=0)

    @model_validator(mode="after")
    def _nobody_listens(self) -> Self:
        host = urlsplit(self.issuer or "").netloc.rsplit(":", 1)[0]
        if (self.issuer or "").startswith("http://") and host not in LOOPBACK_NAMES:
            raise ValueError("issuer must begin with https://, unless it is on this machine")
        return self


AeTitle = Annotated[str, Field(pattern=r"^[!-\[\]-~]([ -\[\]-~]{0,14}[!-\[\]-~])?$")]
"""PS3.5 table 6.2-1: up to 16 characters without a backslash; spaces around it would not count."""

LOOPBACK = ip_network("127.0.0.0/8")


class DicomSettings(_Table):
    """cvai as a node of DICOM's network protocol."""

    listen: bool = False
    ae_title: AeTitle = "CVAI"
    host: str = "127.0.0.1"
    port: int = Field(default=11112, ge=0, le=65535)
    allowed_ae_titles: tuple[AeTitle, ...] = ()
    allowed_networks: tuple[IPvAnyNetwork, ...] = (LOOPBACK,)
    associations: int = Field(default=20, ge=1)
    connections_per_address: int = Field(default=10, ge=1)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    tls_authorities: Path | None = None

    @model_validator(mode="after")
    def _callers_are_named(self) -> Self:
        if self.listen and not self.allowed_ae_titles:
            raise ValueError("allowed_ae_titles must name who may call when listen is on")
        return self


class SendSettings(_Table):
    """A peer that results are sent to by C-STORE."""

    host: str | None = None
    port: int = Field(default=104, ge=1, le=65535)
    ae_title: AeTitle = "PACS"
    tls: bool = False
    timeout_s: float = Field(default=30.0, gt=0)
    commitment: bool = True
    commitment_timeout_s: float = Field(default=60.0, gt=0)


class FhirSettings(_Table):
    """The health record's FHIR R4 server."""

    url: HttpUrl | None = None
    token: SecretStr | None = None
    patient_system: str | None = None
    timeout_s: float = Field(default=30.0, gt=0)


Hl7Name = Annotated[str, Field(pattern=r"^[ -%\x27-\[\]_-{}]*(\^[ -%\x27-\[\]_-{}]*){0,2}$", max_length=227)]
"""HD, as MSH-3 to MSH-6 have it: up to three components, without other separators."""


class Hl7Settings(_Table):
    """A system that results are sent to as HL7 v2 messages over MLLP."""

    host: str | None = None
    port: int = Field(default=2575, ge=1, le=65535)
    tls: bool = False
    timeout_s: float = Field(default=30.0, gt=0)
    sending_application: Hl7Name = "CVAI"
    sending_facility: Hl7Name = ""
    receiving_application: Hl7Name = ""
    receiving_facility: Hl7Name = ""
    processing_id: Literal["P", "T", "D"] = "P"
    accession_is_filler: bool = False
    attach_pdf: bool = True
    link: HttpUrl | None = None


class WorklistSettings(_Table):
    """A UPS-RS worklist that says what is analysed."""

    url: HttpUrl | None = None
    username: str | None = None
    password: SecretStr | None = None
    station: str = Field(default="CVAI", min_length=1, max_length=16)
    events_url: WebSocketUrl | None = None
    subscribe: Literal["workitems", "worklist"] = "workitems"
    timeout_s: float = Field(default=30.0, gt=0)


class RetrySettings(_Table):
    """Retries while an archive does not answer."""

    attempts: int = Field(default=40, ge=1)
    first_wait_s: float = Field(default=1.0, gt=0)
    longest_wait_s: float = Field(default=120.0, gt=0)


class LimitsSettings(_Table):
    """Size limits of received data."""

    json_mb: float = Field(default=64.0, gt=0)
    instance_mb: float = Field(default=2000.0, gt=0)
    associate_kb: float = Field(default=500.0, ge=20)


class AuditSettings(_Table):
    """Who saw, changed, signed and exported what."""

    file: Path | None = None
    syslog_host: str | None = None
    syslog_port: int = Field(default=514, ge=1, le=65535)


class KeepSettings(_Table):
    """How long results are kept beside the archive."""

    results_days: float | None = Field(default=None, gt=0)
    results_gb: float | None = Field(default=None, gt=0)


class RuleSettings(_Table):
    """Which studies are excluded, and which are analysed first."""

    modality: str | None = None
    ae_title: str | None = None
    description: str | None = None
    body_part: str | None = None
    station: str | None = None
    requested: str | None = None
    then: Literal["analyse", "ignore"] = "analyse"
    priority: Literal["routine", "stat"] = "routine"


class Settings(BaseSettings):
    """All settings of ``cvai serve``, ``worker``, ``jobs`` and ``doctor``."""

    model_config = SettingsConfigDict(
        env_prefix="CVAI_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    data_folder: Path = Path("cvai-data")
    archive: Literal["folder", "orthanc", "dicomweb"] = "folder"
    analyses: tuple[str, ...] = ()
    extra_objects: tuple[
        Literal[
            "captures",
            "contours",
            "presentations",
            "echo_report",
            "simple_echo_report",
            "unsigned_echo_reports",
        ],
        ...,
    ] = ()
    model: str = "sax"
    shadow_model: str | None = Field(default=None, min_length=1)
    site_intervals: Path | None = None
    threads: int = Field(default=2, ge=1)
    provider: str = Field(default="auto", min_length=1)
    device_batch: int | None = Field(default=None, ge=1)
    jobs_at_once: int = Field(default=2, ge=1)
    worker_name: str = Field(default="worker-1", pattern=r"^[A-Za-z0-9._-]+$")
    database_url: SecretStr | None = None
    database_password: SecretStr | None = None
    heartbeat_s: float = Field(default=2.0, gt=0)
    monitor_address: str | None = Field(default=None, pattern=r"^[^\s:/@]+:[0-9]{1,5}$")
    poll_interval_s: float | None = Field(default=None, gt=0)
    shutdown_grace_s: float = Field(default=30.0, ge=0)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    rules: tuple[RuleSettings, ...] = ()
    folder: FolderSettings = FolderSettings()
    orthanc: OrthancSettings = OrthancSettings()
    dicomweb: DicomwebSettings = DicomwebSettings()
    worklist: WorklistSettings = WorklistSettings()
    dicom: DicomSettings = DicomSettings()
    send: SendSettings = SendSettings()
    fhir: FhirSettings = FhirSettings()
    hl7: Hl7Settings = Hl7Settings()
    review: ReviewSettings = ReviewSettings()
    oidc: OidcSettings = OidcSettings()
    retry: RetrySettings = RetrySettings()
    limits: LimitsSettings = LimitsSettings()
    audit: AuditSettings = AuditSettings()
    keep: KeepSettings = KeepSettings()

    @field_validator("database_url")
    @classmethod
    def _is_a_database(cls, url: SecretStr | None) -> SecretStr | None:
        # Before the first colon there is no secret; what follows may hold a password that breaks the URL.
        kind = "" if url is None else url.get_secret_value().partition(":")[0].partition("+")[0]
        if url is not None and kind not in ("sqlite", "postgresql"):
            raise ValueError("must begin with postgresql:// or sqlite:///")
        return url

    @property
    def looks_every_s(self) -> float:
        """Seconds between two looks for new studies; listing all studies is expensive for an archive."""
        if self.poll_interval_s is not None:
            return self.poll_interval_s
        return 1.0 if self.archive == "dicomweb" else 0.25

    @property
    def inbox_folder(self) -> Path:
        """Where the embedded archive takes studies from."""
        return self.folder.inbox or self.data_folder / "inbox"

    @property
    def archive_folder(self) -> Path:
        """Where the embedded archive keeps studies."""
        return self.folder.archive or self.data_folder / "archive"

    @property
    def results_folder(self) -> Path:
        """Folder of result.json, report.pdf and a copy of the stored objects, one folder per job."""
        return self.data_folder / "results"

    @property
    def audit_file(self) -> Path:
        """Where audit messages are appended."""
        return self.audit.file or self.data_folder / "audit.log"

    @property
    def jobs_database_url(self) -> str:
        """Where jobs are kept: the given database with its password, else SQLite in the data folder."""
        if self.database_url is not None:
            return _with_password(self.database_url, self.database_password)
        return f"sqlite:///{(self.data_folder / 'jobs.sqlite').absolute()}"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - names are the base class's
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before file; nothing else is read."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def _with_password(url: SecretStr, password: SecretStr | None) -> str:
    """The URL with this password, quoted."""
    if password is None:
        return url.get_secret_value()
    # Only who keeps jobs waits for it.
    from sqlalchemy import make_url

    parsed = make_url(url.get_secret_value()).set(password=password.get_secret_value())
    return parsed.render_as_string(hide_password=False)


def load_settings(config: Path | None) -> Settings:
    """Read the settings from the environment and, where given, a TOML file.

    Raises:
        ConfigurationInvalid: the file is missing or no TOML, a key is unknown, or a value is not allowed.
    """
    if config is not None and not config.is_file():
        raise ConfigurationInvalid(
            "config_missing", f"there is no configuration file {config}.", "Check --config."
        )

    class SettingsOfFile(Settings):
        model_config = SettingsConfigDict(toml_file=config)

    try:
        return SettingsOfFile()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationInvalid(
            "config_unreadable", f"{config} is not valid TOML: {error}.", "See configs/service.example.toml."
        ) from error
    except ValidationError as error:
        raise ConfigurationInvalid(
            "settings_invalid",
            f"{error.error_count()} wrong in {_sources(config)}: {worded(error, Settings, _text(config))}.",
            "See configs/service.example.toml.",
        ) from error


def _sources(config: Path | None) -> str:
    return "the environment" if config is None else f"{config} or the environment"


def _text(config: Path | None) -> str:
    return "" if config is None else config.read_text(encoding="utf-8")
