"""The core's modules import each other at the top only: an import within a function hides a circle."""

from __future__ import annotations

import ast
from pathlib import Path

import connector.core


def test_no_module_of_the_core_imports_within_a_function() -> None:
    folder, hidden = Path(connector.core.__file__).parent, []
    for path in sorted(folder.rglob("*.py")):
        for part in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(part, ast.FunctionDef):
                imports = [inner for inner in ast.walk(part) if isinstance(inner, ast.Import | ast.ImportFrom)]
                hidden += [f"{path.relative_to(folder)}:{one.lineno}" for one in imports]
    assert hidden == []
