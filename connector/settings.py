"""What a deployment is told: defaults < file < secrets directory < environment < flags. Unknown keys are errors.

The file names connections, the orgs behind them and Kafka; mapping files stand beside it. Environment variables are
nested with two underscores (``TWINLEDGER_KAFKA__BOOTSTRAP_SERVERS``). Secrets may stand in files of their own.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from connector.errors import ConfigurationError

MAX_FILE_BYTES = 1_000_000
MAX_SECRET = 100_000
PREFIX = "TWINLEDGER_"


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KafkaSettings(Part):
    """Where Kafka is. ``partitions`` is chosen once, for ever."""

    bootstrap_servers: str = "127.0.0.1:9092"
    prefix: str = ""
    partitions: int = Field(default=48, ge=1, le=1000)
    replication: int = Field(default=3, ge=1, le=9)
    protocol: str = "PLAINTEXT"
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: SecretStr | None = None
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None


class SalesforceSettings(Part):
    """One org, at its My Domain address. Signed in by a private key (JWT bearer, with ``username``), by a secret
    (client credentials), or by a person's consent."""

    url: str
    organisation: str = ""  # 18-character id; checked at each start when given
    client_id: str
    client_secret: SecretStr = SecretStr("")
    username: str = ""  # whom the private key speaks for
    private_key: SecretStr = SecretStr("")  # RSA, in PEM
    audience: str = "https://login.salesforce.com"  # https://test.salesforce.com for a sandbox
    sign_in: Literal["app", "consent"] = "app"
    redirect: str = "http://localhost:8467/callback"  # of the consent, as the app names it
    api_version: str = "62.0"
    channels: tuple[str, ...] = ("/data/TwinledgerSync__chn",)
    capture: dict[str, Literal["cdc", "poll", "both"]] = Field(default_factory=dict)  # by object; "*" is the others
    poll_seconds: float = Field(default=300, ge=1, le=86_400)  # of the objects that are polled
    watch_seconds: float = Field(default=900, ge=1, le=86_400)  # the stream against what the org changed
    drift: Literal["follow", "hold", "stop"] = "hold"  # when an object changes under a mapping
    drift_hours: float = Field(default=1, ge=0.001, le=8760)
    duplicates: Literal["refuse", "allow"] = "refuse"  # what a duplicate rule only warns of
    compare_hours: float = Field(default=24, ge=0.001, le=8760)  # our links against what the org lists
    sync_state: bool | Literal["trouble"] = (
        False  # rows of Twinledger_Sync__c: of every link, or of what needs a person
    )
    sync_state_seconds: float = Field(default=5, ge=0.05, le=86_400)  # between two calls for them
    sync_state_calls: int = Field(default=2000, ge=10, le=1_000_000)  # for them, in 24 hours
    retry_seconds: float = Field(default=60, ge=0.05, le=86_400)  # how often ticked boxes there are looked for


class XeroSettings(Part):
    """One Xero organisation (tenant), signed in by a custom connection or by a person's consent."""

    tenant: str
    name: str = ""
    organisation: str = ""  # OrganisationID; checked at each start when given
    demo: bool | None = None  # true: refuse any organisation that is not a demo company
    client_id: str
    client_secret: SecretStr = SecretStr("")  # a desktop app has none
    sign_in: Literal["custom-connection", "consent"] = "custom-connection"
    scopes: tuple[str, ...] = ()  # none named: those that the mapping files need
    redirect: str = "http://localhost:8467/callback"  # as the app at Xero names it; 127.0.0.1 is refused there
    authorize_url: str = "https://login.xero.com/identity/connect/authorize"
    connections_url: str = "https://api.xero.com/connections"
    token_url: str = "https://identity.xero.com/connect/token"  # noqa: S105  (an address)
    webhook_key: SecretStr = SecretStr("")  # of the app's webhooks; none: /webhooks/xero does not know the tenant
    api_url: str = "https://api.xero.com/api.xro/2.0"
    poll_seconds: int = Field(default=15, ge=1, le=86_400)  # at the fastest; the day's calls say how often
    compare_hours: float = Field(default=24, ge=0.01, le=8760)  # how often lists are read whole, for what vanished
    poll_megabytes: int = Field(default=0, ge=0, le=1_000_000)  # a day, that polls may bring; 0: not counted
    calls_per_minute: int = Field(default=60, ge=1, le=100_000)  # what others use is heard in the headers
    app_calls_per_minute: int = Field(default=10_000, ge=1, le=1_000_000)  # over all organisations of one client id


class ConnectionSettings(Part):
    """One Salesforce org with its Xero tenants: the unit of ownership, ordering and partitioning."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    salesforce: SalesforceSettings
    xero: tuple[XeroSettings, ...] = Field(min_length=1)
    mappings: tuple[str, ...] = ("mappings",)  # files or folders, relative to this file
    lookups: dict[str, dict[str, str]] = Field(default_factory=dict)
    currency: str = Field(default="", pattern=r"^([A-Z]{3})?$")  # of records that name none
    snapshot_ahead: int = Field(default=100, ge=10, le=10_000)  # records of snapshots that wait before live changes


class WebSettings(Part):
    host: str = "127.0.0.1"
    port: int = Field(default=8466, ge=0, le=65_535)


class Settings(Part):
    """All of it. ``data_dir`` holds the table stores and the SQL projection of this host."""

    kafka: KafkaSettings = KafkaSettings()
    connections: tuple[ConnectionSettings, ...] = ()
    data_dir: str = ".twinledger"
    group: str = "twinledger"
    store: str = ""  # SQLAlchemy URL; empty is SQLite in data_dir
    token_key: SecretStr = SecretStr("")  # seals tokens in the store; several with commas: the first seals, all open
    web: WebSettings = WebSettings()
    log_level: str = "INFO"

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite+aiosqlite:///{Path(self.data_dir) / 'twinledger.sqlite'}"


def load(path: Path, secrets: Path | None = None) -> Settings:
    """Read the file, then let secrets and the environment speak. Raises ConfigurationError with the place."""
    raw = _read(path)
    for name, value in {**_secret_files(secrets), **_environment(os.environ)}.items():
        _put(raw, name, value)
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigurationError(
            "config.invalid", f"{path}: {where}: {first['msg']}{more}.", remedy="See docs/configuration.md."
        ) from None


def _secret_files(folder: Path | None) -> dict[str, str]:
    """One secret a file, named like the variable without its prefix: ``kafka__password``."""
    if folder is None:
        return {}
    files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith("."))
    return {each.name.lower(): each.read_text("utf-8")[:MAX_SECRET].strip() for each in files}


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """``TWINLEDGER_CONNECTIONS__0__SALESFORCE__CLIENT_SECRET`` → ``connections__0__salesforce__client_secret``."""
    known = set(Settings.model_fields)
    ours = {name.upper().removeprefix(PREFIX).lower(): value for name, value in variables.items() if _ours(name)}
    return {name: value for name, value in ours.items() if name.split("__")[0] in known}


def _ours(name: str) -> bool:
    return name.upper().startswith(PREFIX)


def _put(raw: dict[str, Any], name: str, value: str) -> None:
    """Set one leaf of the tree; a number is a place in a list that the file has."""
    at: Any = raw
    *path, last = name.split("__")
    for part in path:
        at = at[int(part)] if _has_place(at, part) else _table(at, name).setdefault(part, {})
    if _has_place(at, last):
        at[int(last)] = value
    else:
        _table(at, name)[last] = value


def _has_place(at: Any, part: str) -> bool:
    return isinstance(at, list) and part.isdigit() and int(part) < len(at)


def _table(at: Any, name: str) -> dict[str, Any]:
    if not isinstance(at, dict):
        raise ConfigurationError(
            "config.invalid", f"{PREFIX}{name.upper()} names a place that the configuration file does not have.",
            remedy="See docs/configuration.md.",
        )  # fmt: skip
    return at


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes()[: MAX_FILE_BYTES + 1]
    except OSError as error:
        raise ConfigurationError(
            "config.unreadable", f"{path} cannot be read: {error.strerror}.", remedy="Name a file with --config."
        ) from error
    if len(text) > MAX_FILE_BYTES:
        raise ConfigurationError("config.too-large", f"{path} is larger than {MAX_FILE_BYTES} bytes.")
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError("config.syntax", f"{path} is not YAML: {error}".replace("\n", " ")) from error
    if not isinstance(raw, dict):
        raise ConfigurationError("config.syntax", f"{path} holds no settings.")
    return {str(name): value for name, value in raw.items()}


def mapping_files(settings: ConnectionSettings, base: Path) -> tuple[Path, ...]:
    """The mapping files of a connection, in order. Raises ConfigurationError where one is not there."""
    files: list[Path] = []
    for name in settings.mappings:
        path = base / name
        if path.is_dir():
            files.extend(sorted(path.glob("*.yaml")))
        elif path.is_file():
            files.append(path)
        else:
            raise ConfigurationError("config.no-mappings", f"{path} is neither a file nor a folder.")
    return tuple(files)
