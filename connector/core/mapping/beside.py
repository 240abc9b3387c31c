"""``depends: live``: which other objects a mapping reads beside its record, and by which way. Pure.

A way is a dotted relationship (``Account``, ``Owner.Manager``), after ``<rows>/`` where it begins at child rows
(``OpportunityLineItems/Product2``).
"""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as Table

from connector.core.catalog import Catalog
from connector.core.mapping.bind import field_info
from connector.core.mapping.model import Mapping
from connector.core.records import Side

BETWEEN = "<"  # an object that is read because of another one: ``Opportunity<Account``


def ways(mapping: Mapping, catalogs: Table[Side, Catalog]) -> dict[str, tuple[str, ...]]:
    """Object → the ways that lead to it. Empty unless the mapping depends on them live."""
    catalog, plan = catalogs.get(mapping.source.side), mapping.plans.get(mapping.source.side)
    if mapping.depends != "live" or catalog is None or plan is None:
        return {}
    found: dict[str, dict[str, None]] = {}
    starts = [("", plan.entity, plan.fields)]
    starts += [(f"{name}/", catalog.children(plan.entity, name) or "", paths) for name, paths in plan.children.items()]
    for before, entity, paths in starts:
        for way in dict.fromkeys(way for path in paths for way in _on_the_way(path)):
            info = field_info(catalog, entity, way) if entity else None
            for other in info.references if info is not None else ():
                found.setdefault(other, {})[before + way] = None
    return {entity: tuple(sorted(paths)) for entity, paths in sorted(found.items())}


def _on_the_way(path: str) -> Iterator[str]:
    names = path.split(".")
    yield from (".".join(names[:end]) for end in range(1, len(names)))
