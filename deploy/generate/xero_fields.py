"""Write connector/xero/fields.py from Xero's published OpenAPI file: names, types, lengths and enums, nothing else.

    python deploy/generate/xero_fields.py PATH/accounting.yaml > connector/xero/fields.py

The file is github.com/XeroAPI/Xero-OpenAPI (MIT), xero_accounting.yaml. What it leaves out is in ``CORRECTIONS`` below.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOTS = ("Organisation", "Account", "TaxRate", "Contact", "Item", "Invoice", "Payment")
# objects of their own: a document names them, it does not own them
REFERENCES = frozenset(
    {"Contact", "Account", "Invoice", "Payment", "CreditNote", "Prepayment", "Overpayment", "BatchPayment"}
    | {"BrandingTheme", "LineItemItem", "ContactGroup", "Attachment"}
)
# marks of an answer, not of the object
OF_THE_ANSWER = frozenset({"HasErrors", "HasValidationErrors", "StatusAttributeString", "ValidationErrors", "Warnings"})
LONGEST_ENUM = 10  # longer ones (currencies, tax types, time zones) grow every month
TYPES = {"string": "TEXT", "number": "NUMBER", "boolean": "BOOLEAN", "integer": "WHOLE"}
# (entity, field): part of the row, as facts that the file does not carry (documentation and recorded answers)
CORRECTIONS: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("LineItem", "Description"): {"max_length": 4000},
    ("LineItem", "ItemCode"): {"max_length": 30},
    ("LineItem", "AccountCode"): {"max_length": 10},
    ("LineItem", "Quantity"): {"scale": 4},
    ("LineItem", "UnitAmount"): {"scale": 4},
    ("Purchase", "UnitPrice"): {"scale": 4},
    ("Invoice", "Reference"): {"max_length": 255},
    ("Payment", "Reference"): {"max_length": 255},
    ("Account", "Code"): {"max_length": 10},
    ("Contact", "IsCustomer"): {"read_only": True},
    ("Contact", "IsSupplier"): {"read_only": True},
    ("Contact", "Balances"): {"read_only": True},
    ("Contact", "MergedToContactID"): {"read_only": True},
    ("Item", "IsTrackedAsInventory"): {"read_only": True},
    ("Item", "TotalCostPool"): {"read_only": True},
    ("Item", "QuantityOnHand"): {"read_only": True},
    ("LineItem", "Item"): {"read_only": True},
    ("Organisation", "CreatedDateUTC"): {"type": "TIME"},
}
HEAD = '''"""Every field of the accounting objects that we type. From deploy/generate/xero_fields.py: do not edit.

Facts from Xero's published OpenAPI file, with corrections that the generator names. Not listed: marks of an answer
(HasErrors, ValidationErrors, ...), and what Xero adds without telling, which is kept as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.xero.field import BOOLEAN, DATE, LIST, NUMBER, OBJECT, REFERENCE, TEXT, TIME, WHOLE, Field

FIELDS: Mapping[str, Mapping[str, Field]] = {
'''


def resolve(schemas: Mapping[str, Any], raw: Mapping[str, Any]) -> tuple[str | None, Mapping[str, Any]]:
    """(name of the schema referred to, the schema)."""
    reference = raw.get("$ref")
    if reference is None:
        return None, raw
    name = reference.rpartition("/")[2]
    return name, {**schemas[name], **{key: value for key, value in raw.items() if key not in ("$ref", "type")}}


def kind_of(raw: Mapping[str, Any], name: str | None) -> tuple[str, str]:
    """(type, entity inside)."""
    if raw.get("type") == "array" or "items" in raw:
        inner = raw["items"].get("$ref", "").rpartition("/")[2]
        return "LIST", inner
    if "properties" in raw and name is not None:
        return ("REFERENCE" if name in REFERENCES else "OBJECT"), name
    if raw.get("x-is-msdate"):
        return "DATE", ""
    if raw.get("x-is-msdate-time"):
        return "TIME", ""
    return TYPES.get(str(raw.get("type", "string")), "TEXT"), ""


def scale_of(raw: Mapping[str, Any], field: str) -> int | None:
    if not raw.get("x-is-money"):
        return None
    return 10 if "Rate" in field else 2


def row(schemas: Mapping[str, Any], entity: str, field: str, raw: Mapping[str, Any]) -> dict[str, Any]:
    name, full = resolve(schemas, raw)
    kind, inside = kind_of(full, name)
    values = [str(value) for value in full.get("enum", ()) if value != ""]
    out: dict[str, Any] = {"type": kind}
    if inside:
        out["of"] = inside
    if "maxLength" in full:
        out["max_length"] = full["maxLength"]
    if (scale := scale_of(full, field)) is not None:
        out["scale"] = scale
    if full.get("readOnly"):
        out["read_only"] = True
    if 0 < len(values) <= LONGEST_ENUM and not full.get("readOnly"):
        out["values"] = values
    return {**out, **CORRECTIONS.get((entity, field), {})}


def table(schemas: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, dict[str, Any]]]]:
    """Each entity with its rows, the roots first, then what they own."""
    waiting, done = list(ROOTS), set[str]()
    while waiting:
        entity = waiting.pop(0)
        if entity in done or entity not in schemas:
            continue
        done.add(entity)
        rows = {
            field: row(schemas, entity, field, raw)
            for field, raw in schemas[entity]["properties"].items()
            if field not in OF_THE_ANSWER
        }
        waiting += [part["of"] for part in rows.values() if part.get("of") and part["of"] not in REFERENCES]
        yield entity, rows


def spelled(part: Mapping[str, Any]) -> str:
    arguments = [part["type"]]
    if "of" in part:
        arguments.append(f'"{part["of"]}"')
    arguments += [f"{key}={part[key]}" for key in ("max_length", "scale", "read_only") if key in part]
    if "values" in part:
        arguments.append(f'values="{" ".join(part["values"])}"')
    return f"Field({', '.join(arguments)})"


def main() -> None:
    schemas = yaml.safe_load(Path(sys.argv[1]).read_text())["components"]["schemas"]
    out = [HEAD]
    for entity, rows in table(schemas):
        out.append(f'    "{entity}": {{\n')
        out += [f'        "{field}": {spelled(part)},\n' for field, part in rows.items()]
        out.append("    },\n")
    out.append("}\n")
    sys.stdout.write("".join(out))


if __name__ == "__main__":
    main()
