"""Which requests bring what is looked for or read by id. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from urllib.parse import quote

from connector.core.values import Fields
from connector.errors import ConfigurationError
from connector.xero.criteria import ASKED_BY, IDS_PER_CALL, MOST, WHERES_PER_CALL, any_of, any_where, bundles, chunks
from connector.xero.entities import Entity

PAGE_SIZE = 1000
Query = tuple[tuple[str, str], ...]


def places(about: Entity) -> Query:
    return (("unitdp", "4"),) if "unitdp" in about.takes else ()


def sized(about: Entity, size: int) -> Query:
    return (("pageSize", str(size)),) if "size" in about.takes else ()


def all_of(about: Entity) -> Query:
    """What a list leaves out unless it is asked for."""
    flags = (("archived", "includeArchived"), ("deleted", "includeDeleted"))
    return tuple((name, "true") for word, name in flags if word in about.takes)


def reads(about: Entity, ids: list[str]) -> list[tuple[str, Query]]:
    """Path and query of each request that brings these ids."""
    if not ids:
        return []
    page: Query = (("page", "1"), *sized(about, PAGE_SIZE))
    more = (*all_of(about), *places(about))
    if "ids" in about.takes:
        return [(about.path, (("IDs", ",".join(part)), *page, *more)) for part in chunks(ids, IDS_PER_CALL)]
    if "page" in about.takes and "where" in about.takes:
        parts = chunks(ids, WHERES_PER_CALL)
        return [(about.path, (("where", any_of(about.id_field, part)), *page, *more)) for part in parts]
    if "page" in about.takes:  # neither IDs nor where: each at its own address
        return [(f"{about.path}/{quote(record_id, safe='')}", ()) for record_id in ids]
    return [(about.path, more)]


def together(about: Entity, wanted: Sequence[Fields]) -> Iterator[list[int]]:
    """Places of the criteria that one request can answer; none for what asks for nothing."""
    asked = [place for place, criteria in enumerate(wanted) if criteria]
    if "where" in about.takes:
        for bundle in bundles([wanted[place] for place in asked]):
            yield [asked[place] for place in bundle]
    elif "page" in about.takes:
        yield from ([place] for place in asked)
    elif asked:
        yield asked  # the list is read whole, whatever is looked for


def look_up(about: Entity, wanted: Sequence[Fields]) -> tuple[str, Query]:
    """Path and query of the list that holds what equals any of the criteria, which name the same fields. Raises
    ConfigurationError (``xero.criteria``)."""
    if "where" not in about.takes and "page" not in about.takes:
        return about.path, all_of(about)
    if "where" not in about.takes:
        name = ASKED_BY[about.name]
        value = wanted[0].get(name)
        if not isinstance(value, str) or not value:
            raise ConfigurationError("xero.criteria", f"Xero can be asked for {about.plural} by {name} only.")
        if name == "QuoteNumber":
            return about.path, ((name, value),)
        if "/" in value:  # no address: it is looked for among the thousand that changed last
            return about.path, (("page", "1"), *sized(about, PAGE_SIZE), ("order", "UpdatedDateUTC DESC"))
        return f"{about.path}/{quote(value, safe='')}", ()
    query: list[tuple[str, str]] = [("where", any_where(wanted))]
    if "page" in about.takes:
        query += [("page", "1"), *sized(about, MOST if len(wanted) == 1 else PAGE_SIZE)]
    if about.name == "Contact" and "ContactNumber" in wanted[0]:
        query.append(("includeArchived", "true"))
    return about.path, tuple(query)
