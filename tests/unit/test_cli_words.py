"""The command line without anything behind it: the machine's check, errors as words, options, formats."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import typer
from pydantic import SecretStr
from typer.testing import CliRunner

from connector.cli import group, host, printing
from connector.cli.app import app
from connector.cli.config import environment, flat, masked, source_of
from connector.cli.doctor import pinned
from connector.cli.group import Commands, Later, asked_output
from connector.cli.mapping import Row, chosen
from connector.cli.options import Format
from connector.cli.review import signal_for
from connector.cli.status import brief, paces
from connector.cli.working import serve
from connector.errors import (
    AuthError,
    ConfigurationError,
    DataError,
    EngineStop,
    MappingError,
    TryAgain,
    TwinledgerError,
    Unavailable,
)
from connector.kafka.positions import Position, PositionKind
from connector.store.rows import Review
from connector.xero.pace import Pace, Poll

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
REPOSITORY = Path(__file__).parents[2]


def test_all_that_was_found_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    error = MappingError("mapping.type", "a text", remedy="Say a number.", file="a.yaml", line=3)
    error.others = (MappingError("mapping.circle", "round and round", file="b.yaml", line=1),)
    printing.report(error)
    told = capsys.readouterr().err
    assert [one in told for one in ("a.yaml:3: a text", "Say a number.", "b.yaml:1: round", "mapping.circle")] == [
        True
    ] * 4
    printing.report(error, Format.JSON)
    said = json.loads(capsys.readouterr().err)
    assert (said["error"]["code"], [one["code"] for one in said["others"]]) == ("mapping.type", ["mapping.circle"])


@pytest.mark.parametrize(
    ("version", "implementation", "system", "libc", "said"),
    [
        ((3, 11), "cpython", "Linux", "glibc", ""),
        ((3, 14), "cpython", "Darwin", "", ""),
        ((3, 10), "cpython", "Linux", "glibc", "this is CPython 3.10"),
        ((3, 15), "cpython", "Linux", "glibc", "this is CPython 3.15"),
        ((3, 12), "pypy", "Linux", "glibc", "this is pypy 3.12"),
        ((3, 12), "cpython", "Windows", "", "this is Windows"),
        ((3, 12), "cpython", "Linux", "", "glibc"),
    ],
)
def test_where_it_runs(version: tuple[int, int], implementation: str, system: str, libc: str, said: str) -> None:
    found = host.objection(version, implementation, system, libc)
    assert said in found
    assert bool(found) is bool(said)
    assert found.count("\n") == 0


def python(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(  # noqa: S603  our own code
        [sys.executable, *arguments], capture_output=True, cwd=REPOSITORY, check=False, timeout=60
    )


def test_the_machine_is_checked_before_anything_of_others_is_imported() -> None:
    blocked = (
        "import sys; sys.version_info = (3, 9, 0, 'final', 0); "
        "sys.modules.update(dict.fromkeys(['typer', 'rich', 'pydantic', 'aiokafka', 'yaml'])); "
        "from connector.cli.main import run; run()"
    )
    done = python("-c", blocked)
    assert done.returncode == 69
    assert done.stderr.decode().strip() == host.objection((3, 9), "cpython", "Linux", "glibc")


def test_the_check_alone_runs_without_the_package() -> None:
    done = python("-I", "connector/cli/host.py")
    assert (done.returncode, done.stderr) == (0, b"")


def failing(error: TwinledgerError) -> typer.Typer:
    made = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @made.command("go")
    def go(output: str = "table") -> None:
        raise error

    @made.command("other")
    def other() -> None: ...

    return made


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x.y", "m"), 78), (MappingError("x.y", "m"), 65), (DataError("x.y", "m"), 65),
        (AuthError("x.y", "m"), 77), (Unavailable("x.y", "m"), 69), (TryAgain("x.y", "m", retry_after=3), 75),
        (EngineStop("x.y", "m"), 75), (TwinledgerError("x.y", "m"), 1),
    ],
)  # fmt: skip
def test_each_kind_of_error_has_its_exit_code_and_no_traceback(error: TwinledgerError, code: int) -> None:
    result = CliRunner().invoke(failing(error), ["go"])
    assert result.exit_code == code
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_an_error_says_what_happened_what_to_do_and_its_code() -> None:
    error = Unavailable("kafka.unavailable", "Kafka at x:1 does not answer.", remedy="Check [kafka] and /paths/[a].")
    result = CliRunner().invoke(failing(error), ["go"])
    assert result.stderr == (
        "✗ Kafka at x:1 does not answer.\n  → Check [kafka] and /paths/[a].\n  kafka.unavailable\n"
    )


def test_an_error_is_json_when_json_was_asked_for() -> None:
    error = Unavailable("kafka.unavailable", "Away.", remedy="Look.")
    result = CliRunner().invoke(failing(error), ["go", "--output", "json"])
    assert json.loads(result.stderr) == {"error": {"code": "kafka.unavailable", "message": "Away.", "remedy": "Look."}}


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        ((), Format.TABLE), (("a", "-o", "json"), Format.JSON), (("--output=json", "a"), Format.JSON),
        (("a", "-o"), Format.TABLE), (("-o", "json", "-o", "table"), Format.TABLE),
    ],
)  # fmt: skip
def test_the_asked_form_is_known_before_the_options_are_read(words: tuple[str, ...], asked: Format) -> None:
    assert asked_output(words) is asked


def test_commands_whose_module_is_not_there_are_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []

    def there(number: int = 1) -> None:
        called.append(number)

    later = (Later("absent", "connector.cli.absent", there), Later("present", "connector.cli.host", there))
    monkeypatch.setattr(Commands, "later", later)
    helped = CliRunner().invoke(app, ["--help"]).stdout
    assert "present" in helped
    assert "absent" not in helped
    assert CliRunner().invoke(app, ["absent"]).exit_code == 2
    assert CliRunner().invoke(app, ["present", "--number", "4"]).exit_code == 0
    assert called == [4]


def test_a_long_lived_process_ends_with_one_json_line_where_nobody_looks() -> None:
    made = typer.Typer(cls=Commands, pretty_exceptions_enable=False)

    @made.command("go")
    def go() -> None:
        def main() -> int:
            raise ConfigurationError("links.missing", "No links.", remedy="Look.")

        serve(main)

    @made.command("well")
    def well() -> None:
        serve(lambda: 75)

    result = CliRunner().invoke(made, ["go"])
    assert result.exit_code == 78
    line = json.loads(result.stderr)
    assert (line["event"], line["code"], line["reason"]) == ("ended with an error", "links.missing", "No links.")
    assert CliRunner().invoke(made, ["well"]).exit_code == 75


def test_version_and_usage() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == "twinledger 0.1.0\n"
    assert CliRunner().invoke(app, ["nonsense"]).exit_code == 2
    for command in (["topics"], ["review"], ["mapping"], ["config"], ["simulate"]):
        assert "Usage" in CliRunner().invoke(app, [*command, "--help"]).stdout


def test_no_command_but_the_running_ones_needs_the_engine() -> None:
    code = "import sys; import connector.cli.app; assert not {'faust', 'mode'} & set(sys.modules)"
    assert python("-c", code).stderr == b""


def test_values_know_their_source() -> None:
    written = dict(flat({"kafka": {"prefix": "x."}, "connections": [{"name": "a", "mappings": ["m", "n"]}]}))
    assert written == {"kafka.prefix": "x.", "connections.0.name": "a", "connections.0.mappings": ["m", "n"]}
    told = environment({"TWINLEDGER_KAFKA__PARTITIONS": "4", "twinledger_web": "{}", "OTHER": "1"})
    assert source_of("kafka.prefix", written, told) == "file"
    assert source_of("kafka.partitions", written, told) == "environment"
    assert source_of("web.port", written, told) == "environment"
    assert source_of("group", written, told) == "default"


def test_secrets_are_masked_whatever_holds_them() -> None:
    assert masked(SecretStr("hunter2")) == "***"
    assert masked("postgresql+asyncpg://ann:hunter2@db/ledger") == "postgresql+asyncpg://ann:***@db/ledger"


def test_pins_are_read_from_requirements() -> None:
    lines = [
        "faust-streaming[rocksdict]==0.15.3",
        "rich<16,>=15",
        "ruff==0.17.6 ; extra == 'dev'",
        "aiokafka == 0.14.0",
    ]
    assert dict(pinned(lines)) == {"faust-streaming": "0.15.3", "aiokafka": "0.14.0"}


LINK = Review("r1", "link", "acme/m/salesforce%3A1/t/1", "acme", "m", "salesforce:1", "failed", "c", "m", "r", NOW)
LETTER = Review("r2", "dead-letter", "acme/x/3/7", "acme", "", "x/3/7", "dead-letter", "c", "m", "r", NOW)


def test_decisions_become_signals_on_the_connections_partition() -> None:
    signal = signal_for(LINK, "link", "inv-1")
    assert (signal.kind, signal.subject, signal.arguments) == (
        "link.settle", LINK.key, {"decision": "link", "value": "inv-1"},
    )  # fmt: skip
    assert signal.key.startswith(b"acme/link.settle/")
    assert signal_for(LETTER, "dismiss", "").kind == "deadletter.close"


@pytest.mark.parametrize(
    ("review", "decision", "value", "code"),
    [
        (LINK, "dismiss", "", "review.decision"), (LETTER, "xero", "", "review.decision"),
        (LINK, "link", "", "review.value"), (LINK, "retry", "x", "review.value"),
    ],
)  # fmt: skip
def test_a_decision_that_decides_nothing_is_refused(review: Review, decision: str, value: str, code: str) -> None:
    with pytest.raises(DataError) as caught:
        signal_for(review, decision, value)
    assert caught.value.code == code


def test_a_mapping_is_chosen_by_name_and_connection_where_needed() -> None:
    rows = [Row(name, "invoices", paused=False, by="ann", at=NOW, digest="d") for name in ("acme", "other")]
    assert chosen(rows[:1], "invoices") == rows[0]
    with pytest.raises(DataError, match="--connection"):
        chosen(rows, "invoices")
    with pytest.raises(DataError, match="Applied are: invoices"):
        chosen(rows, "invoicse")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (172_800, "2 d"), (-5, "0 s")]
)
def test_ages_are_short(seconds: int, said: str) -> None:
    assert printing.ago(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("position", "said"),
    [
        ("4711", "4711"), ('{"at":"2026-11-23T01:45:54.897000+00:00","seen":[["a","b",1]]}', "2026-11-23 01:45:54.897"),
        ('{"at":null,"seen":[]}', "by content"), ("x" * 41, "x" * 39 + "…"), ("{", "{"),
    ],
)  # fmt: skip
def test_positions_are_short(position: str, said: str) -> None:
    assert brief(position) == said


def test_markup_in_data_is_shown_and_not_obeyed(capsys: pytest.CaptureFixture[str]) -> None:
    printing.show({}, Format.TABLE, printing.table(("what",), [("[red]x[/red] :smile: [link=http://a]b[/link]",)]))
    assert "[red]x[/red] :smile: [link=http://a]b[/link]" in capsys.readouterr().out


def test_what_needs_the_streams_is_loaded_later() -> None:
    assert {each.name for each in group.Commands.later} == {"demo", "apply", "check", "init", "replay", "run", "worker"}


def test_status_shows_what_polls_cost_a_change() -> None:
    pace = Pace(15.0).polled("Contact", Poll(20, 9_000_000, 20_000, first=True), 0.0)
    pace = pace.polled("Contact", Poll(3, 5000, 4), 60.0).polled("Item", Poll(1, 300, 0), 60.0).poked("Contact")
    pace = pace.planned(("Contact", "Item"), 60.0)

    def kept(text: str) -> Position:
        return Position("acme", "tenant", "pace", PositionKind.CURSOR, text, 1, NOW)

    contact, item = paces(kept(pace.to_text()))
    assert contact[:2] == ("acme", "Contact")
    assert str(contact[2]).endswith(" s or told")
    assert contact[4:] == ("0.75", "1,250")
    assert item[4:] == ("·", "·")
    assert list(paces(kept("not a pace"))) == []
