"""Write connector/xero/fields.py and parts.py from Xero's published OpenAPI file: names, types, lengths and enums.

    python deploy/generate/xero_fields.py PATH/accounting.yaml [connector/xero]

The file is github.com/XeroAPI/Xero-OpenAPI (MIT), xero_accounting.yaml. What it leaves out is in ``CORRECTIONS`` below.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOTS = (
    "Organisation", "Account", "TaxRate", "Contact", "Item", "Invoice", "Payment", "CreditNote", "Prepayment",
    "Overpayment", "BankTransaction", "BankTransfer", "PurchaseOrder", "Quote", "ManualJournal", "TrackingCategory",
    "Currency", "BrandingTheme",
)  # fmt: skip
# objects of their own: a document names them, it does not own them
REFERENCES = frozenset(
    {"Contact", "Account", "Invoice", "Payment", "CreditNote", "Prepayment", "Overpayment", "BatchPayment"}
    | {"BrandingTheme", "LineItemItem", "ContactGroup", "Attachment"}
)
# marks of an answer, not of the object
OF_THE_ANSWER = frozenset({"HasErrors", "HasValidationErrors", "StatusAttributeString", "ValidationErrors", "Warnings"})
LONGEST_ENUM = 10  # longer ones (currencies, tax types, time zones) grow every month
KINDS = ("BOOLEAN", "DATE", "LIST", "NUMBER", "OBJECT", "REFERENCE", "TEXT", "TIME", "WHOLE")
TYPES = {"string": "TEXT", "number": "NUMBER", "boolean": "BOOLEAN", "integer": "WHOLE"}
# Xero reckons these itself and ignores what is sent
RECKONED = (
    "SubTotal", "TotalTax", "Total", "RemainingCredit", "AppliedAmount", "Allocations", "Payments", "FullyPaidOnDate",
    "HasAttachments",
)  # fmt: skip
RECKONED_ON = ("CreditNote", "Prepayment", "Overpayment", "BankTransaction")
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
    ("CreditNote", "CreditNoteNumber"): {"max_length": 255},
    ("CreditNote", "Reference"): {"max_length": 255},
    ("BankTransaction", "Reference"): {"max_length": 255},
    ("BankTransfer", "Reference"): {"max_length": 255},
    ("PurchaseOrder", "PurchaseOrderNumber"): {"max_length": 255},
    ("PurchaseOrder", "Reference"): {"max_length": 255},
    ("ManualJournal", "Narration"): {"max_length": 4000},
    ("ManualJournalLine", "AccountCode"): {"max_length": 10},
    ("ManualJournalLine", "Description"): {"max_length": 4000},
    # read-only in the file, and yet its own examples delete a transfer by it
    ("BankTransfer", "Status"): {"read_only": False, "values": ["AUTHORISED", "DELETED"]},
    ("BankTransfer", "Date"): {"type": "TIME"},  # published ones are of 21:10: a date would lose that
    ("Allocation", "AllocationID"): {"read_only": True},
    **{(entity, field): {"read_only": True} for entity in RECKONED_ON for field in RECKONED},
}
HEAD = '''"""Every field of {what} that we type. From deploy/generate/xero_fields.py: do not edit.

Facts from Xero's published OpenAPI file, with corrections that the generator names. Not listed: marks of an answer
(HasErrors, ValidationErrors, ...), and what Xero adds without telling, which is kept as it comes.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.xero.field import {kinds}, Field
{more}
{name}: Mapping[str, Mapping[str, Field]] = {{
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
    arguments += [f"{key}={part[key]}" for key in ("max_length", "scale", "read_only") if part.get(key)]
    if "values" in part:
        rows = textwrap.wrap(" ".join(part["values"]), 90)
        arguments.append("values=" + " ".join(f'"{row} "' for row in rows[:-1]) + f' "{rows[-1]}"')
    return f"Field({', '.join(arguments)})"


def module(rows: Iterable[tuple[str, Mapping[str, Mapping[str, Any]]]], tail: str = "", **words: str) -> str:
    """One module: its head, its table, and what is added to the table."""
    body = []
    for entity, fields in rows:
        body.append(f'    "{entity}": {{\n')
        body += [f'        "{field}": {spelled(part)},\n' for field, part in fields.items()]
        body.append("    },\n")
    text = "".join(body)
    kinds = ", ".join(kind for kind in KINDS if f"Field({kind}" in text)
    return HEAD.format(kinds=kinds, **words) + text + tail + "}\n"


def main() -> None:
    schemas = yaml.safe_load(Path(sys.argv[1]).read_text())["components"]["schemas"]
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "connector/xero")
    rows = dict(table(schemas))
    more = "from connector.xero.parts import PARTS\n"
    roots = module(
        [(entity, rows[entity]) for entity in ROOTS], "    **PARTS,\n", what="the accounting objects", name="FIELDS",
        more=more,
    )  # fmt: skip
    inner = [(entity, fields) for entity, fields in rows.items() if entity not in ROOTS]
    parts = module(inner, what="the parts of accounting objects", name="PARTS", more="")
    (folder / "fields.py").write_text(roots)
    (folder / "parts.py").write_text(parts)


if __name__ == "__main__":
    main()
