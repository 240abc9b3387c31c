"""Batch payments: several payments that leave or reach a bank account as one. The API shows them; a person makes them.

A payment that is part of one cannot be deleted by itself (facts §5.4); the whole batch can.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from connector.simulators.xero.accounts import TABLE as ACCOUNT
from connector.simulators.xero.errors import Invalid
from connector.simulators.xero.payments import TABLE as PAYMENT
from connector.simulators.xero.payments import write_payment
from connector.simulators.xero.shapes import Table, choice, day, guid, record, rows, text
from connector.simulators.xero.store import Stored, Tenant
from connector.simulators.xero.wire import new_id

TABLE: Table = {
    "BatchPaymentID": guid, "Account": record({**dict.fromkeys(ACCOUNT), "AccountID": guid, "Code": text(10)}),
    "Date": day, "Reference": text(255), "Particulars": text(12), "Code": text(12), "Details": text(18),
    "Narrative": text(18), "Payments": rows(PAYMENT), "Status": choice("BatchPaymentStatus", "AUTHORISED", "DELETED"),
    "Type": None, "TotalAmount": None, "UpdatedDateUTC": None, "IsReconciled": None,
}  # fmt: skip
TYPES = {"ACCPAYPAYMENT": "PAYBATCH", "ACCRECPAYMENT": "RECBATCH"}


def write_batch_payment(tenant: Tenant, given: dict[str, Any], known: Stored | None) -> Stored:
    """What a person does in Xero's screens: make a batch, or delete it."""
    if known is not None:
        return _delete(tenant, known, given)
    parts = given.get("Payments") or []
    if not parts:
        raise Invalid("A batch payment has at least one payment")
    batch_id, on = new_id(), given.get("Date") or tenant.now().date()
    made = []
    for part in parts:
        one = {"Account": given.get("Account") or {}, "Date": on, **part}
        payment = write_payment(tenant, one, None)
        made.append(tenant.save("Payment", {**payment, "BatchPayment": {"BatchPaymentID": batch_id}}, {}))
    kinds = {TYPES.get(payment["PaymentType"], "") for payment in made}
    if len(kinds) > 1 or "" in kinds:
        raise Invalid("A batch payment is of bills or of sales invoices")
    batch: Stored = {
        **{name: given[name] for name in ("Reference", "Particulars", "Code", "Details", "Narrative") if name in given},
        "BatchPaymentID": batch_id, "Account": made[0]["Account"], "Date": on, "Type": kinds.pop(),
        "Status": "AUTHORISED", "TotalAmount": sum((one["Amount"] for one in made), Decimal(0)), "IsReconciled": False,
        "_payments": [one["PaymentID"] for one in made],
    }  # fmt: skip
    return tenant.save("BatchPayment", batch, given)


def _delete(tenant: Tenant, known: Stored, given: dict[str, Any]) -> Stored:
    if given.get("Status") != "DELETED" or known["Status"] == "DELETED":
        raise Invalid("Batch payments cannot be modified, only created and deleted")
    for payment_id in known["_payments"]:
        payment = {**tenant.tables["Payment"][payment_id]}
        payment.pop("BatchPayment", None)
        gone = write_payment(tenant, {"Status": "DELETED"}, payment)
        tenant.save("Payment", {**gone, "BatchPayment": {"BatchPaymentID": known["BatchPaymentID"]}}, {})
    return tenant.save("BatchPayment", {**known, "Status": "DELETED"}, given)
