"""What the integration user may see. Taken away and given back through the control page."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Permissions:
    """Fields and objects that are hidden: describe does not show them, queries and writes do not know them."""

    hidden_fields: set[tuple[str, str]] = field(default_factory=set)
    hidden_objects: set[str] = field(default_factory=set)

    def sees(self, entity: str, name: str) -> bool:
        return entity not in self.hidden_objects and (entity, name) not in self.hidden_fields

    def sees_object(self, entity: str) -> bool:
        return entity not in self.hidden_objects
