"""The codec: strict on the way in, unbreakable on the way out."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.core.records import Record, Side, Version
from connector.core.values import Value, canonical
from connector.errors import ConfigurationError, DataError
from connector.kafka.codec import Codec, Decoded, Poison
from connector.kafka.evolution import evolution_problems
from connector.kafka.record_codec import from_value, to_value
from connector.kafka.schemas import Schemas, floats, parse_schema, shipped, undocumented
from connector.kafka.topics import BY_NAME, TOPICS

NOW = datetime(2026, 11, 23, 9, 30, 0, 123000, tzinfo=UTC)
SIGNAL = {"id": "s1", "kind": "pause", "connection": "acme", "subject": "", "arguments": {}, "by": "ada", "at": NOW}

_times = st.integers(-8_500_000_000_000, 64_000_000_000_000).map(
    lambda millis: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
)
_numbers = st.decimals(-(10**19), 10**19, allow_nan=False, allow_infinity=False, places=18)
_leaves: st.SearchStrategy[Value] = st.one_of(
    st.none(), st.text(), st.booleans(), _numbers, st.dates(date(1700, 1, 1), date(4000, 1, 1)), _times
)
_values = st.recursive(
    _leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


def _record(fields: dict[str, Value]) -> Record:
    return Record(
        side=Side.SALESFORCE,
        organisation="00D000000000001AAA",
        entity="Opportunity",
        id="006000000000001AAA",
        version=Version(3, 7),
        read_at=NOW,
        stamp=NOW - timedelta(seconds=1),
        fields=fields,
    )


@given(st.dictionaries(st.text(), _values, max_size=5))
def test_a_record_comes_back_exactly(fields: dict[str, Value]) -> None:
    codec = Codec()
    decoded = codec.decode(codec.encode("salesforce.records.v1", to_value(_record(fields))))
    assert isinstance(decoded, Decoded)
    back = from_value(decoded.value)
    assert canonical(dict(back.fields)) == canonical(fields)
    assert back == _record(dict(back.fields))


def test_a_day_stays_a_day_and_a_midnight_a_time() -> None:
    codec = Codec()
    fields: dict[str, Value] = {"day": date(2026, 1, 2), "midnight": datetime(2026, 1, 2, tzinfo=UTC), "no": False}
    decoded = codec.decode(codec.encode("salesforce.records.v1", to_value(_record(fields))))
    assert isinstance(decoded, Decoded)
    back = from_value(decoded.value).fields
    assert {name: type(value) for name, value in back.items()} == {"day": date, "midnight": datetime, "no": bool}


@pytest.mark.parametrize(
    "value",
    [
        {**SIGNAL, "more": "field"},
        {name: value for name, value in SIGNAL.items() if name != "by"},
        {**SIGNAL, "at": NOW.replace(tzinfo=None)},
        {**SIGNAL, "id": 5},
        {**SIGNAL, "arguments": {"a": 1.5}},
        {**SIGNAL, "subject": None},
    ],
    ids=["unknown field", "missing field", "naive time", "number for text", "float", "null"],
)
def test_what_does_not_fit_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(DataError) as caught:
        Codec().encode("signals.v1", value)
    assert caught.value.code == "codec.invalid"


@pytest.mark.parametrize(
    "number",
    [Decimal("1E+20"), Decimal("1E+999999"), Decimal("1E-19"), Decimal("NaN"), Decimal("Infinity"), 1.5],
    ids=str,
)
def test_a_number_that_would_change_is_refused(number: Any) -> None:
    with pytest.raises(DataError):
        Codec().encode("salesforce.records.v1", to_value(_record({"Amount": number})))


def test_the_widest_number_is_kept() -> None:
    codec = Codec()
    number = Decimal("12345678901234567890.123456789012345678")
    decoded = codec.decode(codec.encode("salesforce.records.v1", to_value(_record({"Amount": number}))))
    assert isinstance(decoded, Decoded)
    assert from_value(decoded.value).fields["Amount"] == number


def test_times_of_other_zones_are_the_same_moment() -> None:
    codec = Codec()
    east = NOW.astimezone(timezone(timedelta(hours=13)))
    decoded = codec.decode(codec.encode("signals.v1", {**SIGNAL, "at": east}))
    assert isinstance(decoded, Decoded)
    assert decoded.value["at"] == NOW


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (None, "codec.empty"),
        (b"", "codec.empty"),
        (b'{"id": 1}', "codec.not-avro"),
        (b"\xc3\x01short", "codec.not-avro"),
        (b"\xc3\x01" + b"\x00" * 8 + b"value", "codec.unknown-schema"),
        (b"\x00" * 1_000_000, "codec.not-avro"),
    ],
)
def test_poison_is_a_value(data: bytes | None, code: str) -> None:
    poison = Codec().decode(data)
    assert isinstance(poison, Poison)
    assert (poison.code, poison.data) == (code, data or b"")


def test_a_cut_value_and_a_tail_are_poison() -> None:
    codec = Codec()
    data = codec.encode("signals.v1", SIGNAL)
    for broken in (data[:-1], data[:12], data + b"\x00"):
        poison = codec.decode(broken)
        assert isinstance(poison, Poison)
        assert poison.data == broken


@settings(max_examples=300)
@given(st.data())
def test_no_bytes_raise(data: st.DataObject) -> None:
    codec = Codec()
    whole = bytearray(
        codec.encode("salesforce.records.v1", to_value(_record({"a": [Decimal(1), {"b": NOW}], "c": "x"})))
    )
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(10, len(whole) - 1))] = data.draw(st.integers(0, 255))
    assert isinstance(codec.decode(bytes(whole)), Decoded | Poison)


def test_nesting_has_an_end() -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    with pytest.raises(DataError):
        Codec().encode("salesforce.records.v1", to_value(_record({"deep": deep})))


def _schema(*fields: dict[str, Any]) -> str:
    own = [{"name": "id", "type": "string", "doc": "Id."}, *fields]
    return json.dumps({"type": "record", "name": "io.twinledger.test.v1.Thing", "doc": "A thing.", "fields": own})


_MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": 4}
_NOTE = {"name": "note", "type": ["null", "string"], "doc": "Note.", "default": None}


def test_an_older_value_is_read_in_todays_shape() -> None:
    old, new = parse_schema(_schema()), parse_schema(_schema(_NOTE))
    signal = BY_NAME["signals.v1"]
    schemas = Schemas([new])
    schemas.learn(old)
    import io

    import fastavro

    out = io.BytesIO(b"\xc3\x01" + old.fingerprint)
    out.seek(10)
    fastavro.schemaless_writer(out, old.parsed, {"id": "1"})
    assert Codec(schemas).decode(out.getvalue()) == Decoded(new.name, {"id": "1", "note": None})
    with pytest.raises(ConfigurationError):
        schemas.for_topic(signal.name)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (_schema(), _schema(_NOTE), ""),
        (_schema(_NOTE), _schema(), ""),
        (_schema(), _schema({"name": "n", "type": "string", "doc": "N."}), "cannot read what was written before"),
        (
            _schema({"name": "n", "type": "int", "doc": "N."}),
            _schema({"name": "n", "type": "long", "doc": "N."}),
            "still",
        ),
        (
            _schema({"name": "m", "type": _MONEY, "doc": "M."}),
            _schema({"name": "m", "type": {**_MONEY, "scale": 2}, "doc": "M."}),
            "changes the meaning of .m",
        ),
    ],
    ids=["nullable added", "nullable removed", "required added", "widened", "scale"],
)
def test_evolution_is_full_and_transitive(before: str, after: str, said: str) -> None:
    problems = evolution_problems(parse_schema(after), [parse_schema(before)])
    assert bool(problems) == bool(said)
    assert said in "; ".join(problems)


def test_every_shipped_schema_keeps_the_house_rules() -> None:
    registered = {topic.schema for topic in TOPICS}
    for schema in shipped():
        assert [*floats(schema.document)] == []
        assert [*undocumented(schema.document)] == [], schema.name
        assert schema.name in registered
        assert evolution_problems(schema, shipped_of(schema.name)) == ()


def shipped_of(name: str) -> list[Any]:
    return [schema for schema in shipped() if schema.name == name]


def test_a_float_anywhere_is_found() -> None:
    nested = {
        "name": "x",
        "type": ["null", {"type": "array", "items": {"type": "map", "values": "double"}}],
        "doc": "X.",
    }
    assert [*floats(json.loads(_schema(nested)))] == [".x[]{}"]
    with pytest.raises(ConfigurationError):
        parse_schema(_schema(nested))


def test_the_fingerprint_is_avros_own() -> None:
    # The Avro specification's CRC-64-AVRO (Rabin) of "null" is 0x63dd24e7cc258f8a; it travels low byte first.
    from fastavro.schema import fingerprint, to_parsing_canonical_form

    assert fingerprint(to_parsing_canonical_form("null"), "CRC-64-AVRO") == "8a8f25cce724dd63"
