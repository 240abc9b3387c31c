"""What a deployment is told: defaults < file < secrets directory < environment < flags. Unknown keys are errors.

The file names connections, the orgs behind them and Kafka; mapping files stand beside it. Environment variables are
nested with two underscores (``TWINLEDGER_KAFKA__BOOTSTRAP_SERVERS``). Secrets may stand in files of their own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from connector.errors import ConfigurationError

MAX_FILE_BYTES = 1_000_000


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
    """One org, at its My Domain address, signed in by client credentials."""

    url: str
    organisation: str = ""  # 18-character id; checked at each start when given
    client_id: str
    client_secret: SecretStr
    api_version: str = "62.0"
    channels: tuple[str, ...] = ("/data/TwinledgerSync__chn",)


class XeroSettings(Part):
    """One Xero organisation (tenant), signed in by a custom connection."""

    tenant: str
    name: str = ""
    organisation: str = ""  # OrganisationID; checked at each start when given
    demo: bool | None = None  # true: refuse any organisation that is not a demo company
    client_id: str
    client_secret: SecretStr
    token_url: str = "https://identity.xero.com/connect/token"  # noqa: S105  (an address)
    api_url: str = "https://api.xero.com/api.xro/2.0"
    poll_seconds: int = Field(default=60, ge=1, le=86_400)
    calls_per_minute: int = Field(default=55, ge=1, le=100_000)  # of Xero's 60: people and other apps need some too


class ConnectionSettings(Part):
    """One Salesforce org with its Xero tenants: the unit of ownership, ordering and partitioning."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")
    salesforce: SalesforceSettings
    xero: tuple[XeroSettings, ...] = Field(min_length=1)
    mappings: tuple[str, ...] = ("mappings",)  # files or folders, relative to this file
    lookups: dict[str, dict[str, str]] = Field(default_factory=dict)
    currency: str = "GBP"


class WebSettings(Part):
    host: str = "127.0.0.1"
    port: int = Field(default=8466, ge=0, le=65_535)


class Settings(BaseSettings):
    """All of it. ``data_dir`` holds the table stores and the SQL projection of this host."""

    model_config = SettingsConfigDict(env_prefix="TWINLEDGER_", env_nested_delimiter="__", extra="forbid", frozen=True)

    kafka: KafkaSettings = KafkaSettings()
    connections: tuple[ConnectionSettings, ...] = ()
    data_dir: str = ".twinledger"
    group: str = "twinledger"
    store: str = ""  # SQLAlchemy URL; empty is SQLite in data_dir
    web: WebSettings = WebSettings()
    log_level: str = "INFO"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, file_secret_settings, init_settings

    @property
    def store_url(self) -> str:
        return self.store or f"sqlite+aiosqlite:///{Path(self.data_dir) / 'twinledger.sqlite'}"


def load(path: Path, secrets: Path | None = None) -> Settings:
    """Read the file, then let secrets and the environment speak. Raises ConfigurationError with the place."""
    raw = _read(path)
    try:
        return Settings(**raw, _secrets_dir=str(secrets) if secrets else None)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        raise ConfigurationError(
            "config.invalid", f"{path}: {where}: {first['msg']}{more}.", remedy="See docs/configuration.md."
        ) from None


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
