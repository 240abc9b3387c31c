"""A checked mapping with the types of its fields: what evaluation needs of the catalogs, taken once."""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import replace

from connector.core.below import STAYS
from connector.core.catalog import Catalog, FieldInfo, FieldType
from connector.core.mapping.model import Kind, LineBlock, Mapping, Pair, Setting
from connector.core.mapping.shapes import COMPOUNDS, KEYED, LINES
from connector.core.records import Side


def bind(mapping: Mapping, catalogs: Table[Side, Catalog]) -> Mapping:
    """The mapping with each written field's type, length and scale. Fields that no catalog knows stay without."""
    if mapping.kind is Kind.TWO_WAY:
        pairs = tuple(replace(pair, info=_of_pair(mapping, pair, catalogs)) for pair in mapping.pairs)
        return replace(mapping, pairs=pairs, bound=True)
    if mapping.documents:
        return replace(mapping, documents=tuple(bind(one, catalogs) for one in mapping.documents), bound=True)
    catalog, entity = catalogs.get(mapping.target.side), mapping.target.entity
    return replace(
        mapping,
        settings=tuple(_typed(catalog, entity, setting) for setting in mapping.settings),
        blocks=tuple(_typed_block(catalog, entity, block) for block in mapping.blocks),
        credits=bind(mapping.credits, catalogs) if mapping.credits is not None else None,
        allocations=bind(mapping.allocations, catalogs) if mapping.allocations is not None else None,
        bound=True,
    )


def line_entity(catalog: Catalog | None, entity: str, block: LineBlock) -> str:
    """The entity of a document's lines, or of the rows that a block names; empty if unknown."""
    return (catalog and catalog.children(entity, block.rows or LINES.get(entity, ("", ""))[0])) or ""


def field_info(catalog: Catalog | None, entity: str, path: str) -> FieldInfo | None:
    """What a catalog says of a path; entries of keyed lists and compound addresses are told from their parts."""
    if catalog is None:
        return None
    found = catalog.field(entity, path)
    names = path.split(".")
    if found is not None and found.type is not FieldType.LIST:
        return found
    for place, name in enumerate(names[:-1]):
        if name in KEYED:
            return _entry(catalog, entity, ".".join(names[: place + 1]), names[place + 2 :], name)
    if names[-1] in COMPOUNDS and catalog.field(entity, f"{COMPOUNDS[names[-1]]}Street") is not None:
        return found or FieldInfo(FieldType.OBJECT)
    return found


def _entry(catalog: Catalog, entity: str, path: str, rest: list[str], name: str) -> FieldInfo | None:
    inner = catalog.children(entity, path) or ""
    if catalog.field(entity, path) is None and not inner:
        return None
    if rest:
        return catalog.field(inner, ".".join(rest)) or FieldInfo(FieldType.TEXT)
    parts = KEYED[name].parts
    if not parts:
        return FieldInfo(FieldType.OBJECT)
    return catalog.field(inner, parts[-1]) or FieldInfo(FieldType.TEXT, max_length=50 if name == "Phones" else 100)


def _typed(catalog: Catalog | None, entity: str, setting: Setting) -> Setting:
    info = field_info(catalog, entity, setting.path)
    # A constant of a field that is set at birth only needs no `write: once`: it never changes.
    fixed = setting.plain and info is not None and not info.updatable
    fixed = fixed or (info is not None and entity in STAYS)
    return replace(setting, info=info, once=setting.once or fixed)


def _typed_block(catalog: Catalog | None, entity: str, block: LineBlock) -> LineBlock:
    inner = line_entity(catalog, entity, block)
    return replace(
        block,
        settings=tuple(_typed(catalog, inner, setting) for setting in block.settings),
        entity=inner,
        parent=(catalog and catalog.parent(entity, block.rows)) or "",
        mark_info=field_info(catalog, inner, block.mark) if block.mark else None,
    )


def written(pair: Pair) -> tuple[Side, ...]:
    """The sides that a two-way field is ever written to."""
    return tuple(Side) if pair.owner == "latest" else (Side(pair.owner).other,)


def _of_pair(mapping: Mapping, pair: Pair, catalogs: Table[Side, Catalog]) -> FieldInfo | None:
    """What both projections must fit so that they can be equal: the narrower of the sides that are written."""
    found = [field_info(catalogs.get(side), mapping.end(side).entity, pair.path(side)) for side in written(pair)]
    infos = [info for info in found if info is not None]
    if not infos or pair.using:
        return None
    return FieldInfo(
        infos[0].type,
        max_length=min((info.max_length for info in infos if info.max_length is not None), default=None),
        scale=min((info.scale for info in infos if info.scale is not None), default=None),
    )
