"""An object of Salesforce that a mapping names by its natural key, not by an id: `find(…)`. Pure.

Until it is written it is a text that holds the question; the write loop asks it (``streams.sought``).
"""

from __future__ import annotations

from collections.abc import Iterator

from connector.core.link_events import Texts
from connector.core.mapping.model import Mapping
from connector.core.mapping.syntax import Call
from connector.core.values import Fields, Question, Value, question

FUNCTION = "find"


def questions(mapping: Mapping, changed: Texts) -> Iterator[tuple[str, Question]]:
    """The paths among those to be written whose value is a question. Only what the mapping itself asks counts: a text
    that somebody typed is never one."""
    asked = {setting.path for setting in mapping.settings if asks(setting.value.tree)}
    asked |= {f"{b.rows or mapping.lines}/{s.path}" for b in mapping.blocks for s in b.settings if asks(s.value.tree)}
    for path, text in changed.items():
        parts = path.split("/")
        name = f"{parts[0]}/{parts[2]}" if len(parts) == 3 else path
        found = question(text) if text and name in asked else None
        if found is not None:
            yield path, found


def asks(tree: object) -> bool:
    return isinstance(tree, Call) and tree.name == FUNCTION


def told(entity: str, criteria: Fields) -> str:
    """A question in words, for messages."""
    return f"{entity} with " + ", ".join(f"{name} {_shown(value)}" for name, value in criteria.items())


def _shown(value: Value) -> str:
    return str(value)[:60]
