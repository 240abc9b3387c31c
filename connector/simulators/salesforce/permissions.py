"""What the integration user may see. Taken away and given back through the control page."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Permissions:
    """Fields and objects that are hidden: describe does not show them, queries and writes do not know them. Those that
    are fixed may be read and not be written."""

    hidden_fields: set[tuple[str, str]] = field(default_factory=set)
    hidden_objects: set[str] = field(default_factory=set)
    fixed_fields: set[tuple[str, str]] = field(default_factory=set)
    fixed_objects: set[str] = field(default_factory=set)

    def sees(self, entity: str, name: str) -> bool:
        return entity not in self.hidden_objects and (entity, name) not in self.hidden_fields

    def sees_object(self, entity: str) -> bool:
        return entity not in self.hidden_objects

    def writes(self, entity: str, name: str) -> bool:
        """Whether a field may be written, as far as the user's rights go."""
        return self.writes_object(entity) and (entity, name) not in self.fixed_fields

    def writes_object(self, entity: str) -> bool:
        return entity not in self.fixed_objects
