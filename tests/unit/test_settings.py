"""Settings: the file, the environment over it, and what is wrong said with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from connector.errors import ConfigurationError
from connector.settings import ConnectionSettings, load, mapping_files

PARTY = {"client_id": "c", "client_secret": "very-secret-value"}
CONNECTION = {"name": "acme", "salesforce": {"url": "https://x.example", **PARTY}, "xero": [{"tenant": "t-1", **PARTY}]}


def write(folder: Path, content: object) -> Path:
    path = folder / "twinledger.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), "utf-8")
    return path


def test_an_empty_file_of_settings_is_the_defaults(tmp_path: Path) -> None:
    settings = load(write(tmp_path, {"kafka": {}}))
    assert (settings.kafka.partitions, settings.web.host, settings.connections) == (48, "127.0.0.1", ())
    assert settings.store_url == "sqlite+aiosqlite:///.twinledger/twinledger.sqlite"


def test_the_environment_speaks_over_the_file_part_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, {"kafka": {"bootstrap_servers": "file:1", "prefix": "file."}, "group": "file"})
    monkeypatch.setenv("TWINLEDGER_KAFKA__BOOTSTRAP_SERVERS", "environment:1")
    monkeypatch.setenv("TWINLEDGER_CONFIG", "is no setting")
    settings = load(path)
    assert (settings.kafka.bootstrap_servers, settings.kafka.prefix, settings.group) == (
        "environment:1",
        "file.",
        "file",
    )


def test_a_secret_is_never_shown_by_printing_settings(tmp_path: Path) -> None:
    settings = load(write(tmp_path, {"connections": [CONNECTION]}))
    assert "very-secret-value" not in repr(settings)
    assert "very-secret-value" not in str(settings.model_dump())
    assert settings.connections[0].salesforce.client_secret.get_secret_value() == "very-secret-value"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"kafka": {"bootstrap": "x:1"}}, "kafka.bootstrap"),
        ({"unknown": 1}, "unknown"),
        ({"kafka": {"partitions": 0}}, "kafka.partitions"),
        ({"connections": [{**CONNECTION, "name": "Acme/1"}]}, "connections.0.name"),
        ({"connections": [{**CONNECTION, "xero": []}]}, "connections.0.xero"),
        ({"connections": [{"name": "acme"}]}, "connections.0.salesforce"),
        ({"web": {"port": 70_000}}, "web.port"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(tmp_path: Path, content: object, where: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, content))
    assert caught.value.code == "config.invalid"
    assert f"{where}: " in caught.value.message


def test_a_wrong_value_is_not_repeated_it_may_be_a_secret(tmp_path: Path) -> None:
    party = {**PARTY, "client_secret": {"value": "very-secret-value"}}
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, {"connections": [{**CONNECTION, "xero": [{"tenant": "t", **party}]}]}))
    assert "very-secret-value" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("a: [", "config.syntax"), ("- 1", "config.syntax"), ("", "config.syntax"),
        ("x: " + "y" * 1_000_001, "config.too-large"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_settings(tmp_path: Path, content: str, code: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(write(tmp_path, content))
    assert caught.value.code == code


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path / "absent.yaml")
    assert (caught.value.code, "--config" in caught.value.remedy) == ("config.unreadable", True)


def test_mapping_files_are_found_in_order_and_missing_ones_named(tmp_path: Path) -> None:
    folder = tmp_path / "maps"
    folder.mkdir()
    for name in ("b.yaml", "a.yaml", "notes.txt"):
        (folder / name).write_text("x", "utf-8")
    single = tmp_path / "one.yaml"
    single.write_text("x", "utf-8")

    def files(*names: str) -> list[str]:
        settings = ConnectionSettings.model_validate({**CONNECTION, "mappings": names})
        return [path.name for path in mapping_files(settings, tmp_path)]

    assert files("one.yaml", "maps") == ["one.yaml", "a.yaml", "b.yaml"]
    with pytest.raises(ConfigurationError, match=r"absent.*config\.no-mappings"):
        files("absent")


def test_a_secret_of_a_connection_comes_from_the_environment_or_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "twinledger.yaml"
    file.write_text(
        "connections:\n"
        "  - name: main\n"
        "    salesforce: {url: 'https://acme.my.salesforce.com', client_id: a}\n"
        "    xero: [{tenant: t, client_id: b}]\n"
    )
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "connections__0__xero__0__client_secret").write_text("from a file\n")
    monkeypatch.setenv("TWINLEDGER_CONNECTIONS__0__SALESFORCE__CLIENT_SECRET", "from the environment")
    settings = load(file, secrets)
    assert settings.connections[0].salesforce.client_secret.get_secret_value() == "from the environment"
    assert settings.connections[0].xero[0].client_secret.get_secret_value() == "from a file"
