"""What stands in the org from the start: the organisation, one user, the stages, five products with prices."""

from __future__ import annotations

from decimal import Decimal

from connector.simulators.salesforce.dml import Dml
from connector.simulators.salesforce.ids import make_id
from connector.simulators.salesforce.sales_org import PRODUCTS, RATES, STAGES
from connector.simulators.salesforce.store import Caller, Row, Transaction


def seed(dml: Dml, currency: str = "GBP") -> tuple[str, str]:
    """Fill an empty org. Gives the ids of the organisation and of the integration user."""
    user = make_id("005", 1)
    tx = dml.store.transaction(Caller(user, ""))
    organisation = _plain(dml, tx, "Organization", {
        "Name": "Twinledger Demo Ltd", "OrganizationType": "Enterprise Edition", "IsSandbox": True,
        "InstanceName": "GBR1S", "DefaultLocaleSidKey": "en_GB",
    })  # fmt: skip
    _plain(dml, tx, "User", {
        "Username": "integration@twinledger.example", "LastName": "Integration", "FirstName": "Twinledger",
        "Name": "Twinledger Integration", "Email": "integration@twinledger.example", "IsActive": True,
    })  # fmt: skip
    for number, (name, probability, closed, won, forecast) in enumerate(STAGES, start=1):
        _plain(dml, tx, "OpportunityStage", {
            "MasterLabel": name, "ApiName": name, "IsActive": True, "SortOrder": number, "IsClosed": closed,
            "IsWon": won, "ForecastCategory": forecast, "DefaultProbability": Decimal(probability),
        })  # fmt: skip
    if "CurrencyType" in dml.store.schema.entities:
        for code, rate in RATES.items():
            _plain(dml, tx, "CurrencyType", {
                "IsoCode": code, "ConversionRate": Decimal(rate) / Decimal(RATES[currency]), "DecimalPlaces": 2,
                "IsActive": True, "IsCorporate": code == currency,
            })  # fmt: skip
    book = _plain(dml, tx, "Pricebook2", {"Name": "Standard Price Book", "IsActive": True, "IsStandard": True})
    for name, code, price, account, tax in PRODUCTS:
        product = dml.insert(tx, dml.store.schema.entities["Product2"], {
            "Name": name, "ProductCode": code, "IsActive": True, "Xero_Account__c": account, "Xero_Tax__c": tax,
        })  # fmt: skip
        entry = {"Pricebook2Id": book, "Product2Id": product, "UnitPrice": Decimal(price), "IsActive": True}
        dml.insert(tx, dml.store.schema.entities["PricebookEntry"], entry)
    tx.commit()
    return organisation, user


def _plain(dml: Dml, tx: Transaction, name: str, values: Row) -> str:
    """Rows of objects that the API cannot write."""
    entity = dml.store.schema.entities[name]
    record_id = dml.store.new_id(entity)
    row: Row = {one: False if f.type == "boolean" else None for one, f in entity.fields.items()}
    row |= values | {"Id": record_id, "IsDeleted": False}
    row |= dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), tx.at)
    row |= dict.fromkeys(("CreatedById", "LastModifiedById"), tx.caller.user)
    tx.put(name, record_id, row)
    return record_id
