"""What counts as a drift of an org's objects: only what can hurt the mappings that use them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from connector.core.catalog import FieldType
from connector.core.records import ReadPlan
from connector.salesforce.describe import FieldShape, ObjectShape, SalesforceCatalog, shape_of
from connector.salesforce.drift import drifts
from connector.simulators.salesforce.describe import describe
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.sales_org import PICKLISTS, TABLES
from connector.simulators.salesforce.schema import build_schema

SCHEMA = build_schema(TABLES, PICKLISTS, currencies=False)
CATALOG = SalesforceCatalog({}).with_objects(
    shape_of(describe(SCHEMA, each, Permissions(), "62.0")) for each in SCHEMA.entities.values()
)
PLANS = (
    ReadPlan("Opportunity", ("Amount", "Number__c", "Account.Region__c"), {"OpportunityLineItems": ("Quantity",)}),
    ReadPlan("Expense__c", ("Status__c", "Amount__c")),
)  # fmt: skip


def changed(entity: str, name: str, field: FieldShape | None) -> SalesforceCatalog:
    shape = CATALOG.objects[entity]
    fields = {key: value for key, value in shape.fields.items() if key != name}
    return CATALOG.with_objects([replace(shape, fields={**fields, name: field} if field else fields)])


def altered(entity: str, name: str, **info: Any) -> SalesforceCatalog:
    shape = CATALOG.objects[entity].fields[name]
    return changed(entity, name, replace(shape, info=replace(shape.info, **info)))


def found(after: SalesforceCatalog) -> list[str]:
    return [str(one) for one in drifts(CATALOG, after, PLANS)]


def test_drift_of_nothing_is_nothing() -> None:
    assert found(CATALOG) == []


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (changed("Opportunity", "Number__c", None), "Opportunity.Number__c is not there any more"),
        (altered("Opportunity", "Number__c", max_length=10), "Opportunity.Number__c takes 10 characters, not 40"),
        (altered("Opportunity", "Amount", scale=0), "Opportunity.Amount has 0 decimal places, not 2"),
        (altered("Opportunity", "Amount", type=FieldType.TEXT), "Opportunity.Amount was a number and is a text"),
        (altered("Opportunity", "Amount", updatable=False), "Opportunity.Amount cannot be written any more"),
        (changed("Account", "Region__c", None), "Opportunity.Account.Region__c is not there any more"),
        (
            altered("OpportunityLineItem", "Quantity", scale=0),
            "OpportunityLineItem.Quantity has 0 decimal places, not 2",
        ),
        (
            altered("Expense__c", "Status__c", values=frozenset({"Draft"})),
            "Expense__c.Status__c does not take Approved, Submitted any more",
        ),
        (altered("Expense__c", "Number__c", required=True), "Expense__c.Number__c must be filled now"),
    ],
)  # fmt: skip
def test_drift_is_told_in_words(after: SalesforceCatalog, said: str) -> None:
    assert found(after) == [said]


@pytest.mark.parametrize(
    "after",
    [
        altered("Opportunity", "Number__c", max_length=200),
        altered("Opportunity", "Amount", scale=4),
        altered("Expense__c", "Status__c", values=frozenset({"Draft", "Submitted", "Approved", "Paid"})),
        altered("Opportunity", "NextStep", max_length=5),  # nobody uses it
        changed("Opportunity", "NextStep", None),
    ],
)
def test_drift_that_hurts_nobody_is_followed_in_silence(after: SalesforceCatalog) -> None:
    assert found(after) == []


def test_drift_of_a_whole_object_and_of_its_rows() -> None:
    without = SalesforceCatalog({name: shape for name, shape in CATALOG.objects.items() if name != "Expense__c"})
    assert found(without) == ["Expense__c is not there any more"]
    shape: ObjectShape = CATALOG.objects["Opportunity"]
    assert found(CATALOG.with_objects([replace(shape, children={})])) == [
        "Opportunity.OpportunityLineItems is no longer a list of rows there"
    ]
