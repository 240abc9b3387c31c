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
    """``topic`` is the middle of ``accounting.<topic>.v1``, ``batch`` the most elements of one write.

    ``takes`` is what its list and its writes take: ``since`` (If-Modified-Since), ``page``, ``ids`` (IDs=),
    ``archived`` (includeArchived), ``unitdp``.
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


ENTITIES: Mapping[str, Entity] = {
    entity.name: entity
    for entity in (
        Entity("Organisation", "Organisations", "OrganisationID", "organisation", 1),
        Entity("Account", "Accounts", "AccountID", "accounts", 1, _takes("since")),
        Entity("TaxRate", "TaxRates", "TaxType", "tax-rates", 1),
        Entity("Contact", "Contacts", "ContactID", "contacts", 50, _takes("since page ids archived")),
        Entity("Item", "Items", "ItemID", "items", 50, _takes("since unitdp")),
        Entity("Invoice", "Invoices", "InvoiceID", "invoices", 50, _takes("since page ids archived unitdp")),
        Entity("Payment", "Payments", "PaymentID", "payments", 50, _takes("since page")),
    )
}


def entity(name: str) -> Entity:
    """Raises ConfigurationError for an entity that is not spoken yet."""
    found = ENTITIES.get(name)
    if found is None:
        known = ", ".join(ENTITIES)
        raise ConfigurationError(
            "xero.entity-unknown", f"There is no Xero entity {name!r} here.", remedy=f"Use {known}."
        )
    return found
