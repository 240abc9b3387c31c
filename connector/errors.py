"""Every error that Twinledger raises on purpose.

Grouped by what the reader must do::

    TwinledgerError
    ├── ConfigurationError      change the configuration            exit 78
    │   └── MappingError        change a mapping file               exit 65
    ├── DataError               this input is bad: dead letter      exit 65
    ├── AuthError               sign in again, fix credentials      exit 77
    ├── Unavailable             something we depend on is away      exit 69
    │   └── TryAgain            away for a known time               exit 75
    └── EngineStop              end this process; a restart heals   exit 75

`code` is stable and documented; the message says what happened and to which record; `remedy` says what to do.
"""

from __future__ import annotations


class TwinledgerError(Exception):
    """Something went wrong that the reader can act on."""

    exit_code = 1

    def __init__(self, code: str, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.remedy = remedy
        self.others: tuple[TwinledgerError, ...] = ()  # what was found besides, told with it

    def __str__(self) -> str:
        tail = f" {self.remedy}" if self.remedy else ""
        return f"{self.message}{tail} [{self.code}]"


class ConfigurationError(TwinledgerError):
    """The configuration cannot work as written."""

    exit_code = 78


class MappingError(ConfigurationError):
    """A mapping file is wrong at a file and line."""

    exit_code = 65

    def __init__(self, code: str, message: str, *, remedy: str = "", file: str = "", line: int | None = None) -> None:
        where = f"{file}:{line}: " if file and line else f"{file}: " if file else ""
        super().__init__(code, f"{where}{message}", remedy=remedy)
        self.file = file
        self.line = line


class DataError(TwinledgerError):
    """One message or record is bad. It goes to the dead letters; nothing else stops."""

    exit_code = 65


class AuthError(TwinledgerError):
    """The other side does not accept our credentials."""

    exit_code = 77


class Unavailable(TwinledgerError):
    """Something that we depend on is away."""

    exit_code = 69


class TryAgain(Unavailable):
    """Away for a time that the server named, in seconds."""

    exit_code = 75

    def __init__(self, code: str, message: str, *, retry_after: int, remedy: str = "") -> None:
        super().__init__(code, message, remedy=remedy)
        self.retry_after = retry_after


class EngineStop(TwinledgerError):
    """This process must end; the supervisor starts it again and the replay heals."""

    exit_code = 75
