"""``python -m benchmarks.faults.judge LEDGER PAIRS``: is what people did on both sides there, once, and right?

Knows the ledger of edits and reads both simulators' control pages. Imports nothing of the product: what it looks for
is found by what a record holds (a text that stands in it), never by a mark or a link of ours. Prints one JSON object;
the exit code is 1 when anything is doubled, lost or wrong.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.faults.ledger import Ledger
from benchmarks.faults.pages import Pair, Row

GONE = ("VOIDED", "DELETED")
Wanted = Mapping[str, str]


@dataclass(slots=True)
class Verdict:
    """Findings in words. ``records`` were looked for, ``edits`` made them."""

    edits: int = 0
    records: int = 0
    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def clean(self) -> bool:
        return not (self.doubled or self.lost or self.wrong)


@dataclass(slots=True)
class Sides:
    """Everything that stands in both systems of one connection, read once."""

    accounts: list[Row]
    opportunities: list[Row]
    mirrors: list[Row]
    contacts: list[Row]
    invoices: list[Row]

    @staticmethod
    def of(pair: Pair) -> Sides:
        there, here = pair.salesforce.rows, pair.xero.rows
        return Sides(there("Account"), there("Opportunity"), there("Xero_Invoice__c"), here("Contact"), here("Invoice"))

    def written(self, key: str) -> list[Row]:
        """Invoices and bills one of whose lines carries a text, whatever became of them."""
        return [row for row in self.invoices if any(line.get("Description") == key for line in row["LineItems"])]


@dataclass(slots=True)
class Judge:
    """Looks at one connection; findings go into ``verdict``."""

    sides: Sides
    verdict: Verdict

    def look(self, kind: str, key: str, wanted: Wanted) -> None:
        table: Mapping[str, Callable[[str, Wanted], None]] = {
            "account": self._pair, "contact": self._pair, "deal": self._deal, "expense": self._expense,
            "invoice": self._by_hand,
        }  # fmt: skip
        self.verdict.records += 1
        table[kind](key, wanted)

    def one(self, what: str, rows: list[Row]) -> Row | None:
        if len(rows) > 1:
            self.verdict.doubled.append(f"{what}: {len(rows)} of it")
        if not rows:
            self.verdict.lost.append(f"{what}: not there")
        return rows[0] if rows else None

    def same(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.verdict.wrong.append(f"{what}: {found} instead of {wanted}")

    def _pair(self, key: str, wanted: Wanted) -> None:
        account = self.one(f"account {key}", [row for row in self.sides.accounts if row["Name"] == key])
        contact = self.one(f"contact {key}", [row for row in self.sides.contacts if row["Name"] == key])
        if account is None or contact is None:
            return
        self.same(f"account {key} phone", account.get("Phone"), wanted["phone"])
        self.same(f"contact {key} phone", _phone(contact), wanted["phone"])
        self.same(f"account {key} contact", account.get("Xero_Contact_Id__c"), contact["ContactID"])

    def _expense(self, key: str, wanted: Wanted) -> None:
        bill = self.one(f"bill {key}", self.sides.written(key))
        if bill is None:
            return
        self.same(f"bill {key} type", bill["Type"], "ACCPAY")
        self.same(f"bill {key} status", bill["Status"], "AUTHORISED")
        self._holds(f"bill {key}", bill, Decimal(wanted["amount"]), wanted["of"])

    def _deal(self, key: str, wanted: Wanted) -> None:
        invoice = self.one(f"invoice {key}", self.sides.written(key))
        if invoice is None:
            return
        paid = Decimal(wanted.get("paid", "0"))
        status = "PAID" if paid else "AUTHORISED"
        self.same(f"invoice {key} type", invoice["Type"], "ACCREC")
        self.same(f"invoice {key} status", invoice["Status"], status)
        self._holds(f"invoice {key}", invoice, Decimal(wanted["price"]) * int(wanted["quantity"]), wanted["of"])
        for opportunity in [row for row in self.sides.opportunities if row["Name"] == key]:
            self.same(f"opportunity {key} status", opportunity.get("Invoice_Status__c"), status)
            self.same(f"opportunity {key} paid", Decimal(opportunity.get("Amount_Paid__c") or 0), paid)

    def _by_hand(self, key: str, wanted: Wanted) -> None:
        invoice = self.one(f"invoice {key}", self.sides.written(key))
        if invoice is not None:
            self._holds(f"invoice {key}", invoice, Decimal(wanted["amount"]), wanted["of"])

    def _holds(self, what: str, row: Row, net: Decimal, of: str) -> None:
        """Net amount, contact, one line; and its mirror in Salesforce says the same."""
        self.same(f"{what} net", Decimal(row["SubTotal"]), net)
        self.same(f"{what} lines", len(row["LineItems"]), 1)
        names = [
            contact["Name"] for contact in self.sides.contacts if contact["ContactID"] == row["Contact"]["ContactID"]
        ]
        self.same(f"{what} contact", names, [of])
        mirror = self.one(f"mirror of {what}", [m for m in self.sides.mirrors if m["Xero_Id__c"] == row["InvoiceID"]])
        if mirror is not None:
            self.same(f"mirror of {what} status", mirror["Status__c"], row["Status"])
            self.same(f"mirror of {what} total", Decimal(mirror["Total__c"]), Decimal(row["Total"]))

    def strays(self) -> None:
        """What nobody of the ledger made may be double too: accounts that were born of contacts, mirrors."""
        for what, names in _names(self.sides):
            for name, count in Counter(names).items():
                if count > 1 and not any(name in found for found in self.verdict.doubled):
                    self.verdict.doubled.append(f"{what} {name}: {count} of it")


def _names(sides: Sides) -> Iterator[tuple[str, list[str]]]:
    yield "account", [str(row["Name"]) for row in sides.accounts]
    yield "contact", [str(row["Name"]) for row in sides.contacts]
    yield "mirror", [str(row["Xero_Id__c"]) for row in sides.mirrors]
    standing = [row for row in sides.invoices if row["Status"] not in GONE]
    yield "document", [str(line["Description"]) for row in standing for line in row["LineItems"]]


def _phone(contact: Row) -> str:
    rows = contact.get("Phones") or ()
    return next((str(row.get("PhoneNumber")) for row in rows if row.get("PhoneType") == "DEFAULT"), "")


def judge(ledger: Ledger, pairs: Mapping[str, Pair]) -> Verdict:
    """Every record of the ledger, and whatever else is there twice."""
    verdict = Verdict(edits=len(ledger.edits))
    judges = {name: Judge(Sides.of(pair), verdict) for name, pair in pairs.items()}
    for (connection, kind, key), wanted in ledger.last().items():
        judges[connection].look(kind, key, wanted)
    for one in judges.values():
        one.strays()
    return verdict


def main(arguments: list[str]) -> int:
    raw: list[dict[str, Any]] = json.loads(Path(arguments[1]).read_text("utf-8"))
    verdict = judge(Ledger.read(Path(arguments[0])), {one["name"]: Pair.of(one) for one in raw})
    sys.stdout.write(json.dumps(asdict(verdict)) + "\n")
    return 0 if verdict.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
