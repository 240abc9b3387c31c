"""Building calls and reading their answers, without a wire."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.core.failure import Kind
from connector.core.party import Answer, Applied, Operation, Rejected, Undecided, Write
from connector.core.values import Value
from connector.errors import DataError
from connector.xero.failures import failure
from connector.xero.writer import batch_limit, outcomes, prepare

ZERO = "00000000-0000-0000-0000-000000000000"


def create(number: str = "OPP-1", **more: Value) -> Write:
    fields: dict[str, Value] = {"Type": "ACCREC", "InvoiceNumber": number, "Contact": "c-1", **more}
    return Write(f"w-{number}", "Invoice", Operation.CREATE, None, fields, ("InvoiceNumber", number))


def update(target: str) -> Write:
    return Write(f"w-{target}", "Invoice", Operation.UPDATE, target, {"Status": "AUTHORISED"})


def answer(body: Any, status: int = 200, **headers: str) -> Answer:
    return Answer(status, headers, body if isinstance(body, bytes) else json.dumps(body).encode())


def test_a_create_names_no_id_of_its_own() -> None:
    """A contact id that stands in Salesforce is another contact's, or of one that is gone: it would refuse all."""
    write = Write("w", "Contact", Operation.CREATE, None, {"Name": "A", "ContactID": "c-1"})
    assert json.loads(prepare([write], "key").body)["Contacts"] == [{"Name": "A"}]
    currency = Write("w", "Currency", Operation.CREATE, None, {"Code": "EUR"})
    assert b"EUR" in prepare([currency], "key").body


def test_a_create_is_a_put_with_exact_bytes() -> None:
    line: dict[str, Value] = {"UnitAmount": Decimal("0.10"), "Quantity": Decimal(3)}
    request = prepare([create(LineItems=[line], Date=date(2026, 10, 1))], "key-1")
    assert (request.method, request.path) == ("PUT", "Invoices")
    assert request.query == (("summarizeErrors", "false"), ("unitdp", "4"))
    assert ("Idempotency-Key", "key-1") in request.headers
    assert request.body == (
        b'{"Invoices":[{"Contact":{"ContactID":"c-1"},"Date":"2026-10-01","InvoiceNumber":"OPP-1",'
        b'"LineItems":[{"Quantity":3,"UnitAmount":0.1}],"Type":"ACCREC"}]}'
    )


def test_an_update_names_its_target_and_a_contact_is_its_id_alone() -> None:
    write = Write("w", "Invoice", Operation.UPDATE, "i-1", {"Contact": {"ContactID": "c-2", "Name": "New name"}})
    request = prepare([write], "k")
    assert (request.method, json.loads(request.body)) == (
        "POST",
        {"Invoices": [{"Contact": {"ContactID": "c-2"}, "InvoiceID": "i-1"}]},
    )
    with pytest.raises(DataError, match="ContactID"):
        prepare([create(Contact={"Name": "Nobody"})], "k")
    with pytest.raises(DataError, match="InvoiceID"):
        prepare([Write("w", "Invoice", Operation.UPDATE, None, {})], "k")


def test_a_payment_is_ended_alone_at_its_own_address() -> None:
    write = Write("w", "Payment", Operation.UPDATE, "p-1", {"Status": "DELETED"})
    request = prepare([write], "k")
    assert (request.path, request.query, batch_limit("Payment", Operation.UPDATE)) == ("Payments/p-1", (), 1)
    assert batch_limit("Invoice", Operation.UPDATE) == batch_limit("Payment", Operation.CREATE) == 50


def test_a_call_is_of_one_kind_and_no_larger_than_xero_takes() -> None:
    with pytest.raises(DataError, match="one entity"):
        prepare([create(), update("i-1")], "k")
    with pytest.raises(DataError, match="50"):
        prepare([create(str(at)) for at in range(51)], "k")
    with pytest.raises(DataError, match="over"):
        prepare([create(Reference="x" * 3_600_000)], "k")


def test_each_element_is_judged_by_itself() -> None:
    body = {
        "Invoices": [
            {"InvoiceID": "i-1", "InvoiceNumber": "A", "StatusAttributeString": "WARNING", "Total": 1.10,
             "Warnings": [{"Message": "careful"}]},
            {"InvoiceID": ZERO, "InvoiceNumber": "B", "StatusAttributeString": "ERROR", "HasErrors": True,
             "LineItems": [{"ValidationErrors": [{"Message": "Account code '9' is not a valid code for this"}]}]},
        ]
    }  # fmt: skip
    good, bad = outcomes([create("A"), create("B")], answer(body))
    assert good == Applied(
        "w-A", "i-1", {"InvoiceID": "i-1", "InvoiceNumber": "A", "Total": Decimal("1.1")}, ("careful",)
    )
    assert isinstance(bad, Rejected)
    assert (bad.failure.code, bad.failure.kind) == ("xero.account-code", Kind.FIX)


def test_an_answer_in_another_order_is_matched_by_what_it_echoes_or_not_at_all() -> None:
    swapped = {"Invoices": [{"InvoiceID": "i-b", "InvoiceNumber": "B"}, {"InvoiceID": "i-a", "InvoiceNumber": "A"}]}
    found = outcomes([create("A"), create("B")], answer(swapped))
    assert [one.target for one in found if isinstance(one, Applied)] == ["i-a", "i-b"]
    strange = {"Invoices": [{"InvoiceID": "i-x", "InvoiceNumber": "X"}, {"InvoiceID": "i-a", "InvoiceNumber": "A"}]}
    kinds = [type(one) for one in outcomes([create("A"), create("B")], answer(strange))]
    assert kinds == [Applied, Undecided]
    other = outcomes([update("i-1")], answer({"Invoices": [{"InvoiceID": "i-2"}]}))
    assert isinstance(other[0], Undecided)


@pytest.mark.parametrize(
    ("status", "headers", "kind", "code", "seconds"),
    [
        (429, {"x-rate-limit-problem": "minute", "retry-after": "26"}, Kind.RETRY, "xero.limit-minute", 26),
        (429, {"x-rate-limit-problem": "concurrent"}, Kind.RETRY, "xero.limit-concurrent", 1),
        (429, {"x-rate-limit-problem": "[day]", "retry-after": "66975"}, Kind.STOP, "xero.limit-day", 66975),
        (401, {}, Kind.STOP, "xero.unauthorised", None),
        (403, {}, Kind.STOP, "xero.forbidden", None),
        (404, {}, Kind.FIX, "xero.not-found", None),
    ],
)
def test_statuses_that_prove_that_nothing_was_written(
    status: int, headers: dict[str, str], kind: Kind, code: str, seconds: int | None
) -> None:
    (one,) = outcomes([create()], Answer(status, headers, b""))
    assert isinstance(one, Rejected)
    assert (one.failure.kind, one.failure.code, one.failure.retry_after) == (kind, code, seconds)


@pytest.mark.parametrize(
    "said",
    [
        answer({}, 500),
        answer(b"<html>", 503),
        answer(b"", 502),
        answer(b"{not json", 200),
        answer({"Invoices": []}),
        answer({"Invoices": [{"InvoiceNumber": "OPP-1"}]}),
        answer({"ErrorNumber": 10, "Message": "Idempotency Key: k is used with a different request."}, 400),
    ],
)
def test_answers_that_prove_nothing_leave_it_undecided(said: Answer) -> None:
    assert all(isinstance(one, Undecided) for one in outcomes([create()], said))


def test_an_answer_that_contradicts_itself_decides_nothing() -> None:
    body = {"InvoiceID": "i-1", "InvoiceNumber": "OPP-1", "StatusAttributeString": "OK",
            "ValidationErrors": [{"Message": "could not be found"}]}  # fmt: skip
    (one,) = outcomes([create()], answer({"Invoices": [body]}))
    assert isinstance(one, Undecided)
    of_a_line = {**body, "ValidationErrors": [], "LineItems": [{"ValidationErrors": [{"Message": "an old one"}]}]}
    assert isinstance(outcomes([create()], answer({"Invoices": [of_a_line]}))[0], Applied)


def test_orders_of_many_kinds_go_to_their_own_addresses() -> None:
    def call(entity: str, operation: Operation, fields: dict[str, Value], target: str | None = None) -> tuple[Any, ...]:
        request = prepare([Write("w", entity, operation, target, fields)], "k")
        return request.method, request.path, dict(request.query), json.loads(request.body) if request.body else None

    made: dict[str, Value] = {
        "CreditNote": "c-1",
        "Invoice": {"InvoiceID": "i-1", "Total": Decimal(5)},
        "Amount": Decimal("5.10"),
    }
    assert call("Allocation", Operation.CREATE, {**made, "Date": date(2026, 10, 1)}) == (
        "PUT", "CreditNotes/c-1/Allocations", {"summarizeErrors": "false"},
        {"Allocations": [{"Amount": 5.1, "Date": "2026-10-01", "Invoice": {"InvoiceID": "i-1"}}]},
    )  # fmt: skip
    gone = call("Allocation", Operation.UPDATE, {"IsDeleted": True}, "CreditNotes/c-1/Allocations/a-1")
    assert gone == ("DELETE", "CreditNotes/c-1/Allocations/a-1", {}, None)
    assert call("Currency", Operation.CREATE, {"Code": "NZD"}) == ("PUT", "Currencies", {}, {"Code": "NZD"})
    assert call("BankTransfer", Operation.UPDATE, {"Status": "DELETED"}, "b-1") == (
        "POST", "BankTransfers/b-1", {}, {"Status": "DELETED"},
    )  # fmt: skip
    with pytest.raises(DataError, match="address"):
        call("Allocation", Operation.UPDATE, {"IsDeleted": True}, "a-1")


def test_a_400_decides_one_element_but_not_a_batch() -> None:
    body = {
        "ErrorNumber": 10,
        "Message": "x",
        "Elements": [{"ValidationErrors": [{"Message": "Invoice # must be unique."}]}],
    }
    (one,) = outcomes([create()], answer(body, 400))
    assert isinstance(one, Rejected)
    assert one.failure.kind is Kind.RESOLVE
    assert all(isinstance(each, Undecided) for each in outcomes([create("A"), create("B")], answer(body, 400)))
    unread = {"ErrorNumber": 14, "Type": "PostDataInvalidException", "Message": "Error converting value"}
    refused = outcomes([create("A"), create("B")], answer(unread, 400))
    assert all(isinstance(each, Rejected) and each.failure.code == "xero.request-refused" for each in refused)


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("The contact name X is already assigned to another contact. The contact name must be unique across all active"
         " contacts.", Kind.RESOLVE, "duplicate"),
        ("Price List Item with Code 'abc' already exists", Kind.RESOLVE, "duplicate"),
        ("The document date cannot be before the period lock date, currently set to 2025", Kind.FIX, "locked-period"),
        ("The TaxType code 'INPUT' cannot be used with account code '200'.", Kind.FIX, "tax-type"),
        ("Payment amount exceeds the amount outstanding on this document", Kind.FIX, "overpaid"),
        ("Invoice not of valid status for modification", Kind.FIX, "status"),
        ("The total debits (100.00) must equal total credits (-10.00)", Kind.FIX, "unbalanced"),
        ("The amount to allocate exceeds the remaining credit", Kind.FIX, "over-allocated"),
        ("Payments cannot be modified, only created and deleted", Kind.FIX, "payment-fixed"),
        ("Order number must be unique", Kind.RESOLVE, "duplicate"),
        ("Deleted PurchaseOrders cannot be updated", Kind.FIX, "status"),
        ("The status VOIDED cannot be applied to the invoice because it has payments or credit notes allocated to it.",
         Kind.FIX, "has-payments"),
        ("The document due date must be specified", Kind.FIX, "due-date"),
        ("The tracking option 'x' of the category 'Region' could not be found", Kind.FIX, "tracking"),
        ("The quantity on hand of item BOLT is not enough for this document", Kind.FIX, "stock"),
        ("Invoice # must be unique.", Kind.RESOLVE, "duplicate"),
        ("The contact number X is already assigned to another contact. The contact number must be unique across all"
         " contacts.", Kind.RESOLVE, "duplicate"),
        ("Please enter a unique Name.", Kind.RESOLVE, "duplicate"),
        ("Account code '090' is not a valid code for this document.", Kind.FIX, "account-code"),
        ("Account code '201' has been archived, or has been deleted.", Kind.FIX, "account-archived"),
        ("This document cannot be edited as it has a payment or credit note allocated to it.", Kind.FIX,
         "has-payments"),
        ("The document date cannot be before the end of year lock date", Kind.FIX, "locked-period"),
        ("Users Organisation is not subscribed to currency NZD", Kind.FIX, "currency"),
        ("Email address must be valid.", Kind.FIX, "email"),
        ("Payments can only be made against Authorised documents", Kind.FIX, "not-approved"),
        ("This payment has been reconciled and cannot be deleted", Kind.FIX, "reconciled"),
        ("Payment not of valid status for modification", Kind.FIX, "status"),
        ("You have reached the limit of invoices you can approve", Kind.FIX, "plan-limit"),
        ("The specified contact details matched an archived contact. Archived contacts cannot currently be edited via"
         " the API.", Kind.FIX, "contact-archived"),
        ("The Contact must contain at least 1 of the following elements to identify the contact: Name, ContactID,"
         " ContactNumber", Kind.FIX, "contact-unnamed"),
        ("The document with the supplied id was not found for this endpoint.", Kind.FIX, "not-found"),
        ("An existing Credit Note with the specified CreditNoteID could not be found", Kind.FIX, "not-found"),
        ("Only AUTHORISED and BILLED purchase orders may have SentToContact updated.", Kind.FIX, "status"),
        ("The line total 99.00 does not match the expected line total 100.00", Kind.FIX, "line-total"),
        ("Error converting value \"x\" to type 'System.Decimal'.", Kind.FIX, "value-type"),
        ("Something new", Kind.FIX, "refused"),
    ],
)  # fmt: skip
def test_xeros_words_are_classified(said: str, kind: Kind, code: str) -> None:
    found = failure([said])
    assert (found.kind, found.code, found.message) == (kind, f"xero.{code}", said)


def test_of_several_messages_the_one_for_a_person_decides() -> None:
    found = failure(["Invoice # must be unique.", "Email address must be valid."])
    assert (found.kind, found.code) == (Kind.FIX, "xero.email")
    assert "must be unique" in found.message


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from([ZERO, "ERROR", "i-1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["Invoices", "InvoiceID", "ValidationErrors", "Message", "Elements", "HasErrors", "InvoiceNumber"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(
    st.sampled_from([200, 204, 302, 400, 404, 409, 429, 500, 599]), JSONS | st.binary(max_size=20), st.integers(1, 3)
)
def test_no_answer_breaks_the_reader(status: int, body: Any, count: int) -> None:
    writes = [create(str(at)) for at in range(count)]
    found = outcomes(writes, answer(body, status))
    assert [one.write for one in found] == [write.id for write in writes]
