"""The kinds of documents that a mapping can make, the faults, the delays; and what the books must hold afterwards."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Row = Mapping[str, Any]
FAULTS: Mapping[str, tuple[str, Mapping[str, int]]] = {
    "cut-before-commit": ("cut-before-commit", {}),
    "cut-after-commit": ("cut-after-commit", {}),
    "500-before-commit": ("status", {"status": 500}),
    "500-after-commit": ("status-after-commit", {"status": 500}),
    "503-before-commit": ("status", {"status": 503}),
    "502-after-commit": ("status-after-commit", {"status": 502}),
    "429": ("status", {"status": 429}),
    "token-revoked": ("token-revoked", {}),
}
DELAYS = (1, 300, 600)  # three days are for simulated time
MATRIX = 512  # cells of the whole matrix, in simulated time
SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Books:
    """Ids of a company that mappings name."""

    contact: str
    bank: str
    other_bank: str
    invoice: str


@dataclass(frozen=True, slots=True)
class Kind:
    """``fields`` and ``lines`` of its mapping, where its writes go, and what its document must hold."""

    name: str
    entity: str
    plural: str
    fields: Mapping[str, str]
    lines: Sequence[Mapping[str, str]]
    found: Callable[[Row, str, Decimal], bool]  # whether a row of the books is this cell's, whatever else it holds
    holds: Mapping[str, Callable[[str, Decimal], object]]  # field → what the mapping says

    def mapping(self, name: str, number: str, books: Books) -> str:
        """The text of a mapping for one expense alone."""
        places = {
            "$contact": books.contact, "$bank": books.bank, "$other": books.other_bank, "$invoice": books.invoice,
        }  # fmt: skip
        out = [
            f"mapping: {name}", "from: salesforce.Expense__c", f"when: =record.Number__c == '{number}'", "begin: new",
            f"to: xero.{self.entity}", "fields:", *_table(self.fields, places, "  "),
        ]  # fmt: skip
        if self.lines:
            out.append("lines:")
        for at, line in enumerate(self.lines):
            out += [f"  - key: line-{at}", "    fields:", *_table(line, places, "      ")]
        if self.entity == "Invoice":
            out.append("approve: checked")
        return "\n".join([*out, "life:", "  changed: { draft: update }", ""])


def _table(fields: Mapping[str, str], places: Mapping[str, str], space: str) -> list[str]:
    return [f"{space}{name}: {places.get(value, value)}" for name, value in fields.items()]


def _number(number: str, _amount: Decimal) -> object:
    return number


def _amount(_number: str, amount: Decimal) -> object:
    return amount


def _fixed(value: object) -> Callable[[str, Decimal], object]:
    return lambda _number, _amount: value


def _by(field: str) -> Callable[[Row, str, Decimal], bool]:
    return lambda row, number, _amount: row.get(field) == number


def _by_amount(row: Row, _number: str, amount: Decimal) -> bool:
    return Decimal(str(row["Amount"])) == amount


_ONCE = "{ set: =record.Amount__c, write: once }"
_LINE = {
    "Description": "=record.Name", "Quantity": "1", "UnitAmount": "=record.Amount__c", "AccountCode": "'400'",
    "TaxType": "NONE",
}  # fmt: skip
_SALE = {**_LINE, "AccountCode": "'200'"}
_DAY = {"Date": "=record.Date__c"}
_DUE = {**_DAY, "DueDate": "=Date + days(30)"}
_DOCUMENT = {"Contact": "$contact", "LineAmountTypes": "Exclusive", **_DAY}
_SUM = {"SubTotal": _amount, "Total": _amount}


def _kind(
    name: str, entity: str, plural: str, mark: str, fields: Mapping[str, str], line: Mapping[str, str] | None = None,
    **holds: Callable[[str, Decimal], object],
) -> Kind:  # fmt: skip
    own = {mark: "{ set: =record.Number__c, write: once }" if mark.endswith("Number") else "=record.Number__c"}
    money = _SUM if line else {}
    return Kind(
        name, entity, plural, {**fields, **own}, [line] if line else [], _by(mark), {mark: _number, **money, **holds}
    )


_SPEND = {"Contact": "$contact", "BankAccount": "$bank", "LineAmountTypes": "Exclusive", **_DAY}
KINDS: tuple[Kind, ...] = (
    _kind("contact", "Contact", "Contacts", "Name", {"FirstName": "Ann"}, FirstName=_fixed("Ann")),
    _kind("item", "Item", "Items", "Code", {"Name": "=record.Name"}),
    _kind("invoice", "Invoice", "Invoices", "InvoiceNumber", {"Type": "ACCREC", **_DOCUMENT, **_DUE}, _SALE,
          Type=_fixed("ACCREC"), Status=_fixed("AUTHORISED")),
    _kind("bill", "Invoice", "Invoices", "InvoiceNumber", {"Type": "ACCPAY", **_DOCUMENT, **_DUE}, _LINE,
          Type=_fixed("ACCPAY"), Status=_fixed("AUTHORISED")),
    _kind("credit note", "CreditNote", "CreditNotes", "CreditNoteNumber", {"Type": "ACCRECCREDIT", **_DOCUMENT}, _SALE,
          Type=_fixed("ACCRECCREDIT")),
    _kind("supplier's credit", "CreditNote", "CreditNotes", "CreditNoteNumber",
          {"Type": "ACCPAYCREDIT", **_DOCUMENT}, _LINE, Type=_fixed("ACCPAYCREDIT")),
    _kind("spend money", "BankTransaction", "BankTransactions", "Reference", {"Type": "SPEND", **_SPEND}, _LINE,
          Type=_fixed("SPEND")),
    _kind("prepayment", "BankTransaction", "BankTransactions", "Reference", {"Type": "SPEND-PREPAYMENT", **_SPEND},
          _LINE, Type=_fixed("SPEND-PREPAYMENT")),
    Kind("bank transfer", "BankTransfer", "BankTransfers",
         {"FromBankAccount": "$bank", "ToBankAccount": "$other", "Amount": _ONCE}, [], _by_amount, {"Amount": _amount}),
    _kind("purchase order", "PurchaseOrder", "PurchaseOrders", "PurchaseOrderNumber", _DOCUMENT, _LINE),
    _kind("quote", "Quote", "Quotes", "QuoteNumber",
          {**_DOCUMENT, "LineAmountTypes": "EXCLUSIVE"}, _SALE),
    Kind("manual journal", "ManualJournal", "ManualJournals",
         {"Narration": "=record.Number__c", **_DAY},
         [{"LineAmount": "=record.Amount__c", "AccountCode": "'400'"},
          {"LineAmount": "=0 - record.Amount__c", "AccountCode": "'404'"}],
         _by("Narration"), {"Narration": _number}),
    Kind("payment", "Payment", "Payments",
         {"Invoice": "$invoice", "Account": "$bank", "Amount": _ONCE, "Date": "{ set: =record.Date__c, write: once }"},
         [], _by_amount, {"Amount": _amount}),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the matrix."""

    number: int
    kind: Kind
    fault: str
    delay: int

    @property
    def name(self) -> str:
        return f"{self.kind.name}, {self.fault}, {self.delay} s"

    @property
    def mark(self) -> str:
        return f"CELL-{self.number:03}"

    @property
    def amount(self) -> Decimal:
        """Of its own for each cell."""
        return Decimal(1000 + self.number) / 100


def drawn(seed: int) -> tuple[Cell, ...]:
    """As many cells as 5 % of the whole matrix has, of those that real time and a mapping reach."""
    every = [Cell(0, kind, fault, delay) for kind in KINDS for fault in FAULTS for delay in DELAYS]
    chosen = random.Random(seed).sample(every, -(-MATRIX * 5 // 100))
    return tuple(Cell(at + 1, one.kind, one.fault, one.delay) for at, one in enumerate(chosen))


def lanes(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Connections with at most one cell for each address of Xero, so that a fault strikes the cell that it is for."""
    out: list[list[Cell]] = []
    for cell in cells:
        free = next((lane for lane in out if all(one.kind.plural != cell.kind.plural for one in lane)), None)
        if free is None:
            out.append(free := [])
        free.append(cell)
    return out


def differences(cell: Cell, rows: Sequence[Row]) -> list[str]:
    """What is wrong with the books: not one document, or one that is not as the mapping says."""
    found = [row for row in rows if cell.kind.found(row, cell.mark, cell.amount)]
    if len(found) != 1:
        return [f"{len(found)} documents"]
    out = []
    for field, says in cell.kind.holds.items():
        wanted, held = says(cell.mark, cell.amount), found[0].get(field)
        if isinstance(wanted, Decimal) and held is not None:
            held = Decimal(str(held))
        if held != wanted:
            out.append(f"{field} is {held}, not {wanted}")
    return out
