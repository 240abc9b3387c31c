"""New fields of Xero are said once; what the simulator and the recordings are known to add is not said at all."""

from __future__ import annotations

from connector.xero.novelties import MOST, Novelties


def test_a_new_field_is_said_once_wherever_it_stands() -> None:
    heard = Novelties()
    line = {"LineItemID": "l", "Colour": "red", "Tracking": [{"Name": "Region", "Shade": 1}]}
    raw = {
        "InvoiceID": "i",
        "DateString": "x",
        "LineItems": [line, line],
        "Contact": {"ContactID": "c", "Mood": "good"},
    }
    assert set(heard.fresh(raw, "Invoice")) == {"LineItem.Colour", "LineItemTracking.Shade", "Contact.Mood"}
    assert heard.fresh(raw, "Invoice") == ()
    assert heard.fresh({**raw, "Weight": 1}, "Invoice") == ("Invoice.Weight",)


def test_what_is_known_of_the_wire_is_not_news() -> None:
    known = {"PurchaseOrderID": "p", "Type": "PURCHASEORDER", "IsDiscounted": False, "HasErrors": False}
    assert Novelties().fresh(known, "PurchaseOrder") == ()


def test_a_flood_of_names_is_not_remembered_for_ever() -> None:
    heard = Novelties()
    for at in range(MOST + 5):
        heard.fresh({f"X{at}": 1}, "Invoice")
    assert len(heard.said) == MOST
