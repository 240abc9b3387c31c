"""The granular scopes that mappings need of Xero, and what is said of one that lacks. Pure.

Source: Xero's table of granular scopes (facts/xero.md §1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from connector.errors import AuthError

# what is not an invoice-like document
_AREA: Mapping[str, str] = {
    "Contact": "contacts", "Payment": "payments", "Prepayment": "payments", "Overpayment": "payments",
    "BankTransaction": "banktransactions", "BankTransfer": "banktransactions", "ManualJournal": "manualjournals",
    "Attachment": "attachments", "Account": "settings", "TaxRate": "settings", "TrackingCategory": "settings",
    "TrackingOption": "settings", "Currency": "settings", "BrandingTheme": "settings", "Organisation": "settings",
}  # fmt: skip
ALWAYS = "accounting.settings"  # organisation, accounts, tax rates: what every connection reads


def scope_of(entity: str) -> str:
    return f"accounting.{_AREA.get(entity, 'invoices')}"


def needed_scopes(entities: Iterable[str]) -> tuple[str, ...]:
    """The scopes for these entities and for what every connection reads."""
    return tuple(sorted({*map(scope_of, entities), ALWAYS}))


def needs(uses: Iterable[tuple[str, str]]) -> Mapping[str, str]:
    """Scope → what needs it, of (mapping, entity) pairs."""
    users: dict[str, list[str]] = {ALWAYS: ["the organisation, its accounts and tax rates"]}
    for mapping, entity in sorted(set(uses)):
        users.setdefault(scope_of(entity), []).append(f"{entity} of {mapping}")
    return {scope: ", ".join(users[scope]) for scope in sorted(users)}


def lacking(needed: Mapping[str, str], given: Collection[str], remedy: str) -> AuthError | None:
    """What is to be said where a needed scope was not given; None where none lacks."""
    missing = [f"{scope} (for {why})" for scope, why in needed.items() if scope not in given]
    if not missing:
        return None
    return AuthError("xero.scope-missing", f"The sign-in lacks {'; '.join(missing)}.", remedy=remedy)
