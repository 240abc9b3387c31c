"""The entry point. Looks at the machine before anything of others is imported, then hands over to the app."""

from __future__ import annotations

from connector.cli import host


def run() -> None:
    """``twinledger``: never returns."""
    host.check()
    from connector.cli.app import app

    app()


if __name__ == "__main__":
    run()
