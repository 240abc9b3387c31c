"""The people of both companies: they add and change records by the systems' own screens, and keep a ledger of it.

Imports nothing of the product. A pair of records is edited on the side it was born on, and a paid invoice by nobody:
what two people do to one field at once is a conflict, which is another test's matter.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from benchmarks.faults.ledger import Edit, Ledger
from benchmarks.faults.pages import Pair, Row

WEIGHTS: Mapping[str, int] = {
    "expense": 30, "account": 13, "deal": 14, "contact": 9, "phone": 12, "contact phone": 10, "quantity": 4,
    "payment": 4, "invoice": 4,
}  # fmt: skip


@dataclass(slots=True)
class People:
    """``do(kind)`` makes one edit; a kind that nothing can be done of yet becomes a new account."""

    pair: Pair
    ledger: Ledger
    chance: random.Random
    run: str
    count: int = 0
    accounts: list[tuple[str, str]] = field(default_factory=list)  # id, key
    contacts: list[tuple[str, str]] = field(default_factory=list)
    deals: dict[str, tuple[str, int]] = field(default_factory=dict)  # key → line, how often its quantity was changed
    paid: set[str] = field(default_factory=set)

    def any(self) -> str:
        """One edit of a kind that chance chooses; gives the kind."""
        kind = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        return self.do(kind)

    def do(self, kind: str) -> str:
        table: Mapping[str, Callable[[], bool]] = {
            "expense": self.expense, "account": self.account, "deal": self.deal, "contact": self.contact,
            "phone": self.phone, "contact phone": self.contact_phone, "quantity": self.quantity,
            "payment": self.payment, "invoice": self.invoice,
        }  # fmt: skip
        self.count += 1
        if table[kind]():
            return kind
        self.account()
        return "account"

    # --- new records -------------------------------------------------------------------------------------------------

    def account(self) -> bool:
        key, phone = self._key("Customer"), self._phone()
        made = self.pair.salesforce.edit("Account", {"Name": key, "Type": "Customer", "Phone": phone})
        self.accounts.append((made, key))
        return self._note("account", key, phone=phone)

    def contact(self) -> bool:
        key, phone = self._key("Buyer"), self._phone()
        made = self.pair.xero.edit("Contact", {"Name": key, "Phones": _phones(phone)})
        self.contacts.append((made, key))
        return self._note("contact", key, phone=phone)

    def expense(self) -> bool:
        if not self.accounts:
            return False
        vendor, name = self.chance.choice(self.accounts)
        key, amount = self._key("Taxi"), self._amount()
        fields: Row = {
            "Name": "Taxi", "Number__c": f"N{self.count}", "Amount__c": amount, "Date__c": "2026-11-20",
            "Vendor__c": vendor, "Description__c": key, "Status__c": "Approved",
        }  # fmt: skip
        self.pair.salesforce.edit("Expense__c", fields)
        return self._note("expense", key, amount=str(amount), of=name)

    def deal(self) -> bool:
        """An opportunity with one line, won."""
        if not self.accounts:
            return False
        account, name = self.chance.choice(self.accounts)
        key, price, sell = self._key("Deal"), self._amount(), self.pair.salesforce.edit
        number = key.replace(" ", "-")
        made = sell("Opportunity", {
            "Name": key, "AccountId": account, "StageName": "Prospecting", "CloseDate": "2026-11-30",
            "Number__c": number,
        })  # fmt: skip
        entry = self.pair.salesforce.rows("PricebookEntry")[0]
        line = sell("OpportunityLineItem", {
            "OpportunityId": made, "PricebookEntryId": entry["Id"], "Quantity": 1, "UnitPrice": price,
            "Description": key,
        })  # fmt: skip
        sell("Opportunity", {"StageName": "Closed Won"}, made)
        self.deals[key] = (line, 1)
        return self._note("deal", key, price=str(price), quantity="1", of=name)

    def invoice(self) -> bool:
        """An invoice that somebody writes in Xero itself."""
        if not self.contacts:
            return False
        contact, name = self.chance.choice(self.contacts)
        key, amount = self._key("Hand"), self._amount()
        line = {"Description": key, "Quantity": 1, "UnitAmount": amount, "AccountCode": "200", "TaxType": "OUTPUT2"}
        self.pair.xero.edit("Invoice", {
            "Type": "ACCREC", "InvoiceNumber": key, "Contact": {"ContactID": contact}, "Date": "2026-11-20",
            "DueDate": "2026-12-20", "LineAmountTypes": "Exclusive", "LineItems": [line], "Status": "AUTHORISED",
        })  # fmt: skip
        return self._note("invoice", key, amount=str(amount), of=name)

    # --- changes -----------------------------------------------------------------------------------------------------

    def phone(self) -> bool:
        if not self.accounts:
            return False
        account, key = self.chance.choice(self.accounts)
        phone = self._phone()
        self.pair.salesforce.edit("Account", {"Phone": phone}, account)
        return self._note("account", key, phone=phone)

    def contact_phone(self) -> bool:
        if not self.contacts:
            return False
        contact, key = self.chance.choice(self.contacts)
        phone = self._phone()
        self.pair.xero.edit("Contact", {"Phones": _phones(phone)}, contact)
        return self._note("contact", key, phone=phone)

    def quantity(self) -> bool:
        open_deals = [key for key in self.deals if key not in self.paid]
        if not open_deals:
            return False
        key = self.chance.choice(open_deals)
        line, before = self.deals[key]
        self.pair.salesforce.edit("OpportunityLineItem", {"Quantity": before + 1}, line)
        self.deals[key] = (line, before + 1)
        return self._note("deal", key, quantity=str(before + 1))

    def payment(self) -> bool:
        """A customer pays an approved invoice of a deal that was never changed."""
        found = next(filter(None, (self._payable(row) for row in self.pair.xero.rows("Invoice"))), None)
        if found is None:
            return False
        key, row = found
        body = {
            "Invoice": {"InvoiceID": row["InvoiceID"]}, "Account": {"Code": "090"}, "Date": "2026-11-23",
            "Amount": row["AmountDue"],
        }  # fmt: skip
        self.pair.xero.call("PUT", "/api.xro/2.0/Payments", body, self._token())
        self.paid.add(key)
        return self._note("deal", key, paid=str(row["AmountDue"]))

    def _payable(self, row: Row) -> tuple[str, Row] | None:
        texts = [str(line.get("Description")) for line in row.get("LineItems") or ()]
        key = next((text for text in texts if text in self.deals), "")
        unpaid = row["Status"] == "AUTHORISED" and key not in self.paid
        return (key, row) if key and unpaid and self.deals[key][1] == 1 else None

    # --- parts -------------------------------------------------------------------------------------------------------

    def _token(self) -> dict[str, str]:
        """Access of an app of their own."""
        body = f"grant_type=client_credentials&client_id={self.pair.client_id}-all&client_secret="
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        token = _post(self.pair, body + self.pair.client_secret, form)
        return {"Authorization": f"Bearer {token}", "Xero-Tenant-Id": self.pair.tenant}

    def _key(self, what: str) -> str:
        return f"{what} {self.pair.name} {self.run}{self.count:04}"

    def _phone(self) -> str:
        return f"{700_000 + self.count}"

    def _amount(self) -> Decimal:
        return Decimal(self.chance.randrange(100, 20_000)) / 100

    def _note(self, kind: str, key: str, **fields: str) -> bool:
        self.ledger.note(Edit(self.pair.name, kind, key, fields))
        return True


def _phones(number: str) -> Sequence[Row]:
    return [{"PhoneType": "DEFAULT", "PhoneNumber": number}]


def _post(pair: Pair, body: str, headers: dict[str, str]) -> str:
    import json
    import urllib.request

    request = urllib.request.Request(  # noqa: S310  a loopback address
        f"{pair.xero.base}/connect/token", body.encode(), headers, method="POST"
    )
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return str(json.loads(answer.read())["access_token"])
