"""Where Kafka is and how to get in: one value that every client is made from."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.errors import ConfigurationError
from connector.settings import KafkaSettings

REQUEST_TIMEOUT_MS = 20_000
MESSAGE_MAX_BYTES = 8 * 1024 * 1024 + 64 * 1024  # values up to 8 MiB and room for their headers

# protocol: (TLS, SASL)
_PROTOCOLS: Mapping[str, tuple[bool, bool]] = {
    "PLAINTEXT": (False, False),
    "SSL": (True, False),
    "SASL_PLAINTEXT": (False, True),
    "SASL_SSL": (True, True),
}
_MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


@dataclass(frozen=True, slots=True)
class Security:
    """TLS and SASL. File names are PEM; without ``cafile`` the system's authorities are trusted."""

    protocol: str = "PLAINTEXT"
    mechanism: str = "SCRAM-SHA-512"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None

    def __post_init__(self) -> None:
        if self.protocol not in _PROTOCOLS:
            raise ConfigurationError(
                "kafka.protocol",
                f"kafka.security.protocol is {self.protocol!r}.",
                remedy=f"Use one of {', '.join(_PROTOCOLS)}.",
            )
        if self.sasl and self.mechanism not in _MECHANISMS:
            raise ConfigurationError(
                "kafka.mechanism",
                f"kafka.security.mechanism is {self.mechanism!r}.",
                remedy=f"Use one of {', '.join(_MECHANISMS)}.",
            )
        if self.sasl and not (self.username and self.password):
            raise ConfigurationError("kafka.credentials", f"{self.protocol} needs a username and a password.")

    @property
    def tls(self) -> bool:
        return _PROTOCOLS[self.protocol][0]

    @property
    def sasl(self) -> bool:
        return _PROTOCOLS[self.protocol][1]

    def context(self) -> ssl.SSLContext | None:
        """The TLS context, None without TLS. Raises ConfigurationError when a file cannot be used."""
        if not self.tls:
            return None
        try:
            context = ssl.create_default_context(cafile=self.cafile)
            if self.certfile:
                context.load_cert_chain(self.certfile, self.keyfile)
        except OSError as error:  # ssl.SSLError is one
            raise ConfigurationError("kafka.tls", f"The TLS files for Kafka cannot be used: {error}.") from error
        return context


@dataclass(frozen=True, slots=True)
class Cluster:
    """One Kafka as one deployment sees it.

    ``prefix`` stands before every topic, group and transactional id, so that two deployments can share a cluster.
    ``partitions`` is the same for all topics and never changes (48 in production, 4 embedded).
    """

    bootstrap: str
    prefix: str = ""
    partitions: int = 48
    replication: int = 3
    security: Security = Security()

    def topic(self, name: str) -> str:
        """The name on the cluster of a registered topic (``links.v1``)."""
        return f"{self.prefix}{name}"

    def client_options(self) -> dict[str, Any]:
        """Keyword arguments common to all aiokafka clients."""
        options: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap,
            "security_protocol": self.security.protocol,
            "ssl_context": self.security.context(),
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
        }
        if self.security.sasl:
            options |= {
                "sasl_mechanism": self.security.mechanism,
                "sasl_plain_username": self.security.username,
                "sasl_plain_password": self.security.password,
            }
        return options


def embedded_cluster(bootstrap: str, prefix: str = "") -> Cluster:
    """The embedded Kafka: one node, few partitions."""
    return Cluster(bootstrap=bootstrap, prefix=prefix, partitions=4, replication=1)


def cluster_of(settings: KafkaSettings) -> Cluster:
    """The cluster that the settings name. Raises ConfigurationError for security settings that cannot work."""
    security = Security(
        protocol=settings.protocol,
        mechanism=settings.mechanism,
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        cafile=settings.cafile,
        certfile=settings.certfile,
        keyfile=settings.keyfile,
    )
    return Cluster(settings.bootstrap_servers, settings.prefix, settings.partitions, settings.replication, security)
