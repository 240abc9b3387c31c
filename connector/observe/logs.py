"""Logs: one JSON object a line on stderr. ``event`` is a fixed verb phrase ("sent a call"), everything else a field.

Our own rooms may use structlog or the standard library (the phrase as the message, fields in ``extra``). Libraries log
through the same door: their lines have the event ``library said``, their text in ``text``. Nothing leaves unmasked.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from datetime import date, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from connector.errors import ConfigurationError
from connector.observe.masking import Mask

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_OURS = ("connector.", "streams.", "twinledger.")
_EXTRA = structlog.stdlib.ExtraAdder()
_LONGEST = 8_000  # characters of one field: a poison message must not fill the disk

#  These report what we report better ourselves, or once per request.
_QUIET: Mapping[str, int] = {
    "aiokafka": logging.WARNING,
    "kafka": logging.WARNING,
    "aiosfstream_ng": logging.WARNING,
    "aiocometd_ng": logging.WARNING,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "asyncio": logging.WARNING,
    "aiosqlite": logging.WARNING,
    "httpx2": logging.WARNING,
    "httpcore2": logging.WARNING,
    "uvicorn": logging.WARNING,
}


def configure(level: str = "INFO", *, secrets: Iterable[str] = (), stream: TextIO | None = None) -> None:
    """Sets up all logging of this process. ``secrets`` are hidden wherever they stand.

    Raises ConfigurationError (``config.log-level``).
    """
    number = _number(level)
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_formatter(Mask(secrets)))
    _install(handler, number)
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(max(least, number))


def configure_for_person(secrets: Iterable[str] = ()) -> None:
    """For a command that a person runs: what went wrong is printed once, by the command; libraries stay silent."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(Mask(secrets)))
    _install(handler, logging.ERROR)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _install(handler: logging.Handler, level: int) -> None:
    root = logging.getLogger()
    for old in [*root.handlers]:
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    structlog.configure(
        processors=[*_common(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=False,
    )


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
    ]


def _formatter(mask: Mask) -> structlog.stdlib.ProcessorFormatter:
    def masked(_logger: Any, _method: str, event: EventDict) -> EventDict:
        hidden: MutableMapping[str, Any] = mask.value(event)
        return {name: _short(value) for name, value in hidden.items()}

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_common(), _foreign],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            masked,
            _line,
        ],
    )


def _foreign(logger: Any, method: str, event: EventDict) -> EventDict:
    """Our own lines bring their fields along. A library's text is not a fixed phrase: it becomes a field."""
    if str(event.get("logger", "")).startswith(_OURS):
        return dict(_EXTRA(logger, method, event))
    event["text"] = event.pop("event", "")
    event["event"] = "library said"
    return event


def _short(value: Any) -> Any:
    return value[:_LONGEST] + "…" if isinstance(value, str) and len(value) > _LONGEST else value


def _line(_logger: Any, _method: str, event: EventDict) -> str:
    first = ("at", "level", "logger", "event")
    ordered = {name: event[name] for name in first if name in event}
    rest = {name: value for name, value in sorted(event.items()) if name not in first}
    return json.dumps({**ordered, **rest}, ensure_ascii=False, default=_plain)


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, date | datetime) else str(value)[:_LONGEST]


def _number(level: str) -> int:
    if level.upper() not in LEVELS:
        raise ConfigurationError(
            "config.log-level", f"log_level is {level!r}.", remedy=f"Use one of {', '.join(LEVELS)}."
        )
    return int(logging.getLevelNamesMapping()[level.upper()])
