"""What the names of an expression are, by the catalogs: the static twin of ``scope``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping as Table
from dataclasses import dataclass, field

from connector.core.catalog import Catalog, FieldInfo, FieldType
from connector.core.mapping.bind import field_info
from connector.core.mapping.expression import Expression
from connector.core.mapping.inference import type_of
from connector.core.mapping.model import LineBlock, Mapping
from connector.core.mapping.reads import row_names
from connector.core.mapping.shapes import id_field
from connector.core.mapping.syntax import ExpressionError, Path
from connector.core.records import Side

_ENDS = {"sf": Side.SALESFORCE, "xero": Side.XERO}


@dataclass(slots=True)
class Sight:
    """Types of paths within one mapping. Types of `let` names are worked out once."""

    mapping: Mapping
    catalogs: Table[Side, Catalog]
    row: tuple[str, str] = ("", "")  # name of the row and its entity
    _let: dict[str, FieldType | None] = field(default_factory=dict)

    def within(self, block: LineBlock) -> Sight:
        """The same, inside a block of lines."""
        paths = block.each.fields_read() if block.each else frozenset()
        entity = next((self._rows_entity(path) for path in paths), "")
        return Sight(self.mapping, self.catalogs, (block.name, entity), self._let)

    def _part_entity(self) -> str:
        """The entity of the rows that a document is made for each of."""
        part = self.mapping.part
        paths = part.each.fields_read() if part is not None and part.each is not None else frozenset()
        return next((self._rows_entity(path) for path in paths), "")

    def type_of(self, expression: Expression) -> FieldType | None:
        """Raises ExpressionError: an unknown field, types that do not go together."""
        return type_of(expression.tree, self.see)

    def see(self, path: Path) -> FieldType | None:
        """The type of what a path names, None where nobody knows. Raises ExpressionError for an unknown field."""
        info = self.info(path)
        if info is not None:
            return info.type
        if path.root in self.mapping.let and not path.names:
            if path.root not in self._let:
                self._let[path.root] = None
                self._let[path.root] = self.type_of(self.mapping.let[path.root])
            return self._let[path.root]
        return FieldType.NUMBER if path.root == "generation" else None

    def info(self, path: Path) -> FieldInfo | None:
        """What the catalog says of a path into a record, a parent, a row, or of a field of the target."""
        root, mapping = path.root, self.mapping
        if root in _ENDS and root not in mapping.read and mapping.pairs:
            return self._into(_ENDS[root], mapping.end(_ENDS[root]).entity, "", path)
        source = mapping.source
        if root == "record":
            return self._into(source.side, source.entity, "", path)
        if root == self.row[0] and root:
            return self._into(source.side, self.row[1], "", path) if self.row[1] else None
        if mapping.part is not None and mapping.part.rows and root == mapping.part.name:
            entity = self._part_entity()
            return self._into(source.side, entity, "", path) if entity else None
        if root in mapping.read:
            if root in row_names(mapping):
                entity = self._rows_entity(Path(root))
                if not path.names:
                    return FieldInfo(FieldType.LIST)
                return self._into(source.side, entity, "", path) if entity else None
            return self._into(source.side, source.entity, mapping.read[root], path)
        if any(setting.path == root for setting in mapping.settings) and not path.names:
            return field_info(self.catalogs[mapping.target.side], mapping.target.entity, root)
        return None

    def _into(self, side: Side, entity: str, before: str, path: Path) -> FieldInfo:
        names = [part for part in (before, *path.names) if part]
        if not names:
            return FieldInfo(FieldType.OBJECT, references=(entity,))
        if len(names) == 1 and names[0] == id_field(side, entity):
            return FieldInfo(FieldType.ID, references=(entity,))
        found = field_info(self.catalogs[side], entity, ".".join(names))
        if found is not None:
            return found
        if self.catalogs[side].children(entity, ".".join(names)) is not None:
            return FieldInfo(FieldType.LIST)
        rows = (self.catalogs[side].children(entity, ".".join(names[:place])) for place in range(1, len(names)))
        if inner := next(((place, one) for place, one in enumerate(rows, 1) if one), None):
            return self._into(side, inner[1], "", Path(path.root, tuple(names[inner[0] :])))
        if len(names) > 1 and names[-1] == "Id" and field_info(self.catalogs[side], entity, ".".join(names[:-1])):
            return FieldInfo(FieldType.ID)
        near = difflib.get_close_matches(names[-1], _guesses(self.catalogs[side], entity, names), 1)
        raise ExpressionError(
            "mapping.unknown-field",
            f"{path}: {entity} has no field {'.'.join(names)}",
            remedy=f"Did you mean {near[0]}?" if near else "Check its API name, and that the user may see it.",
        )

    def _rows_entity(self, path: Path) -> str:
        source = self.mapping.source
        names = (self.mapping.read.get(path.root, ""), *path.names) if path.root in self.mapping.read else path.names
        name = ".".join(part for part in names if part)
        return self.catalogs[source.side].children(source.entity, name) or ""


def _guesses(catalog: Catalog, entity: str, names: list[str]) -> list[str]:
    """Likely spellings of a field that is not there: a catalog cannot be listed, but it can be asked."""
    before, last = names[:-1], names[-1]
    plain = last.removesuffix("__c").removesuffix("__r")
    tries = [f"{plain}__c", f"{plain}__r", plain, plain.title(), f"{plain.title()}__c", f"{plain}Id"]
    return [one for one in tries if one != last and catalog.field(entity, ".".join([*before, one])) is not None]
