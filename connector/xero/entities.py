"""The accounting objects that we read and write: where they are, what they are called, how they are listed.

Source: Xero's OpenAPI file and the table of facts on change detection (which lists take If-Modified-Since and pages).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from connector.errors import ConfigurationError

ZERO_ID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Entity:
    """``topic`` is the middle of ``accounting.<topic>.v1``, ``batch`` the most elements of one write (0: none).

    ``takes`` is what its list and its writes take: ``since`` (If-Modified-Since), ``page``, ``size`` (pageSize),
    ``order``, ``where``, ``ids`` (IDs=), ``archived`` (includeArchived), ``deleted`` (includeDeleted), ``unitdp``;
    ``each`` (summarizeErrors: an answer per element), ``bare`` (one object without a list around it), ``alone``
    (updates go one by one to the object's own address), ``status`` (such an update is the bare new status).
    """

    name: str
    plural: str
    id_field: str
    topic: str
    batch: int
    takes: frozenset[str] = frozenset()

    @property
    def path(self) -> str:
        """Below the API's base; the organisation's is singular."""
        return "Organisation" if self.name == "Organisation" else self.plural


def _takes(words: str) -> frozenset[str]:
    return frozenset(words.split())


_PAGED = "since page size order where"
ENTITIES: Mapping[str, Entity] = {
    entity.name: entity
    for entity in (
        Entity("Organisation", "Organisations", "OrganisationID", "organisation", 0),
        Entity("Account", "Accounts", "AccountID", "accounts", 1, _takes("since where order alone")),
        Entity("TaxRate", "TaxRates", "TaxType", "tax-rates", 1, _takes("where order")),
        Entity("Contact", "Contacts", "ContactID", "contacts", 50, _takes(f"{_PAGED} ids archived each")),
        Entity("Item", "Items", "ItemID", "items", 50, _takes("since where order unitdp each")),
        Entity("Invoice", "Invoices", "InvoiceID", "invoices", 50, _takes(f"{_PAGED} ids archived unitdp each")),
        Entity("Payment", "Payments", "PaymentID", "payments", 50, _takes(f"{_PAGED} each alone status")),
        Entity("CreditNote", "CreditNotes", "CreditNoteID", "credit-notes", 50, _takes(f"{_PAGED} unitdp each")),
        # born of bank transactions only; their lists take unitdp, what is below one of them does not
        Entity("Prepayment", "Prepayments", "PrepaymentID", "prepayments", 0, _takes(f"{_PAGED} unitdp")),
        Entity("Overpayment", "Overpayments", "OverpaymentID", "overpayments", 0, _takes(f"{_PAGED} unitdp")),
        Entity(
            "BankTransaction", "BankTransactions", "BankTransactionID", "bank-transactions", 50,
            _takes(f"{_PAGED} unitdp each"),
        ),
        # its only time is that of its making: a deletion can be seen in the whole list alone
        Entity(
            "BankTransfer", "BankTransfers", "BankTransferID", "bank-transfers", 1,
            _takes("where deleted alone status"),
        ),
        Entity(
            "PurchaseOrder", "PurchaseOrders", "PurchaseOrderID", "purchase-orders", 50,
            _takes("since page size order each"),
        ),
        Entity("Quote", "Quotes", "QuoteID", "quotes", 50, _takes("since page order each")),
        # a list with `order` is not paged (seen in the field)
        Entity(
            "ManualJournal", "ManualJournals", "ManualJournalID", "manual-journals", 50,
            _takes("since page size where each"),
        ),
        Entity(
            "TrackingCategory", "TrackingCategories", "TrackingCategoryID", "tracking-categories", 1,
            _takes("where order archived bare alone"),
        ),
        Entity("Currency", "Currencies", "Code", "currencies", 1, _takes("where order bare")),
        Entity("BrandingTheme", "BrandingThemes", "BrandingThemeID", "branding-themes", 0),
    )
}  # fmt: skip


def entity(name: str) -> Entity:
    """Raises ConfigurationError for an entity that is not spoken yet."""
    found = ENTITIES.get(name)
    if found is None:
        known = ", ".join(ENTITIES)
        raise ConfigurationError(
            "xero.entity-unknown", f"There is no Xero entity {name!r} here.", remedy=f"Use {known}."
        )
    return found
