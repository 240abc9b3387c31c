"""``twinledger simulate``: a Salesforce org or a Xero company on this machine, to try things out against."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from connector.errors import ConfigurationError, Unavailable

app = typer.Typer(no_args_is_help=True, help="Simulated parties: they speak the real protocols, state is in memory.")

Port = Annotated[int, typer.Option("--port", "-p", min=0, max=65_535, help="Port to listen on; 0 takes a free one.")]
Host = Annotated[str, typer.Option("--host", help="Address to listen on.")]


class Edition(StrEnum):
    """The country of a demo company: its taxes, its currency, its chart of accounts."""

    UK = "uk"
    AU = "au"
    NZ = "nz"
    US = "us"


EditionName = Annotated[Edition, typer.Option("--edition", case_sensitive=False, help="Country of the demo company.")]
WebhookUrl = Annotated[str, typer.Option("--webhook-url", help="Address that webhooks are sent to.")]
WebhookKey = Annotated[str, typer.Option("--webhook-key", help="Key that they are signed with.")]


@app.command("salesforce")
def simulate_salesforce(port: Port = 0, host: Host = "127.0.0.1") -> None:
    """Run a Salesforce org until Ctrl-C. Prints one JSON line when it is ready."""
    try:
        from connector.simulators.salesforce import Settings, build, ready
    except ImportError as error:
        raise _missing(error) from error
    settings = Settings()
    _serve(build(settings), port, host, lambda taken: ready(settings, taken))


@app.command("xero")
def simulate_xero(
    port: Port = 0, host: Host = "127.0.0.1", edition: EditionName = Edition.UK, webhook_url: WebhookUrl = "",
    webhook_key: WebhookKey = "",
) -> None:  # fmt: skip
    """Run a Xero demo company until Ctrl-C. Prints one JSON line when it is ready."""
    try:
        from connector.simulators.xero.app import build, ready
        from connector.simulators.xero.world import Settings
    except ImportError as error:
        raise _missing(error) from error
    settings = Settings.of(edition.value.upper(), webhook_url=webhook_url, webhook_key=webhook_key)
    _serve(build(settings), port, host, ready(settings))


def _serve(app: Any, port: int, host: str, ready: Any) -> None:
    from connector.simulators.serving import serve

    try:
        serve(app, port, ready, host)
    except OSError as error:
        raise Unavailable(
            "simulate.port",
            f"{host}:{port} cannot be listened on: {error.strerror or error}.",
            remedy="Choose another --port; 0 takes a free one.",
        ) from error


def _missing(error: ImportError) -> ConfigurationError:
    return ConfigurationError(
        "simulate.not-installed",
        f"The simulators are an extra that is not installed ({error.name} is missing).",
        remedy="Run `pip install 'twinledger[simulators]'`.",
    )
