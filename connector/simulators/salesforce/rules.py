"""What the sales objects do by themselves: stages, prices, roll-ups, computed names and addresses."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from connector.simulators.salesforce import persons
from connector.simulators.salesforce.content import VERSION, new_version, publish
from connector.simulators.salesforce.schema import Entity
from connector.simulators.salesforce.store import Row, Store, Transaction
from connector.simulators.salesforce.values import Refusal, Stored, missing

CENT = Decimal("0.01")
_FORECAST_NAME = {
    "Omitted": "Omitted",
    "Pipeline": "Pipeline",
    "BestCase": "Best Case",
    "Forecast": "Commit",
    "Closed": "Closed",
}


class Rules:
    """Called by the statements at their fixed moments."""

    def __init__(self, store: Store, currency: str | None) -> None:
        self.store = store
        self.currency = currency  # of the org, in a multi-currency one

    def before_insert(self, tx: Transaction, entity: Entity, row: Row) -> Row:
        row = self._default_currency(entity, row)
        if entity.name == "Opportunity":
            return row | self._stage(row, tx)
        if entity.name == "OpportunityLineItem":
            return self._new_line(row)
        if entity.name == VERSION:
            return new_version(self.store, tx, row)
        if persons.has_persons(entity):
            return persons.before_insert(row)
        if entity.name == "PricebookEntry":
            product = self.store.tables["Product2"].get(str(row.get("Product2Id")), {})
            return row | {"Name": product.get("Name"), "ProductCode": product.get("ProductCode")}
        return row

    def after_insert(self, tx: Transaction, entity: Entity, record_id: str) -> None:
        if entity.name == VERSION:
            publish(self.store, tx, record_id)
        if entity.name == "OpportunityLineItem":
            self.roll_up(tx, str(self.store.tables[entity.name][record_id]["OpportunityId"]))
        if persons.has_persons(entity) and self.store.tables[entity.name][record_id]["IsPersonAccount"]:
            self._new_person(tx, entity, record_id)

    def _new_person(self, tx: Transaction, entity: Entity, record_id: str) -> None:
        """The contact behind a person account."""
        contact = self.store.schema.entities["Contact"]
        made = self.store.new_id(contact)
        born = self.store.tables[entity.name][record_id]
        row: Row = {name: False if f.type == "boolean" else None for name, f in contact.fields.items()}
        kept = ("OwnerId", "CreatedDate", "CreatedById", "LastModifiedDate", "LastModifiedById", "SystemModstamp")
        row |= {name: born[name] for name in kept} | {"Id": made, "AccountId": record_id, "IsPersonAccount": True}
        tx.put("Contact", made, row | {"Name": born["Name"]})
        tx.put(entity.name, record_id, {**born, "PersonContactId": made})
        persons.mirror(tx, record_id, made)

    def before_update(
        self, tx: Transaction, entity: Entity, before: Row, values: dict[str, Stored]
    ) -> dict[str, Stored]:
        if entity.name == "Opportunity":
            return self._opportunity_update(tx, before, values)
        if entity.name == "OpportunityLineItem":
            return self._line_update(before, values)
        if persons.has_persons(entity):
            return persons.before_update(before, values)
        return values

    def after_update(self, tx: Transaction, entity: Entity, record_id: str, before: Row) -> None:
        row = self.store.tables[entity.name][record_id]
        if entity.name == "OpportunityLineItem" and _amounts(row) != _amounts(before):
            self.roll_up(tx, str(row["OpportunityId"]))
        if persons.has_persons(entity) and row["IsPersonAccount"]:
            persons.mirror(tx, record_id, str(row["PersonContactId"]))

    def before_delete(self, tx: Transaction, entity: Entity, record_id: str) -> None:
        if entity.name == "Product2" and self.store.pointing("OpportunityLineItem", "Product2Id", record_id):
            raise Refusal(
                "DELETE_FAILED",
                "Your attempt to delete the product could not be completed because it is used by opportunity products.",
            )

    def after_delete(self, tx: Transaction, entity: Entity, before: Row) -> None:
        """A line that is deleted by itself does not go to the recycle bin."""
        if entity.name == "OpportunityLineItem":
            tx.erase(entity.name, str(before["Id"]))
            self.roll_up(tx, str(before["OpportunityId"]))

    def computed(self, entity: Entity, row: Row) -> Row:
        """Fields made of others: compound names and the name of a custom object without one."""
        if entity.name in ("Contact", "User"):
            parts = [row.get(part) for part in ("FirstName", "LastName")]
            return row | {"Name": " ".join(str(part) for part in parts if part)}
        if "Name" in entity.fields and entity.fields["Name"].defaulted and row.get("Name") is None:
            return row | {"Name": row["Id"]}
        if entity.name == "Opportunity":
            closes = row.get("CloseDate")
            return row | {"FiscalYear": int(str(closes)[:4]) if closes else None}
        return row

    def roll_up(self, tx: Transaction, opportunity: str) -> None:
        """Amount and quantity of an opportunity are the sum of its lines."""
        before = self.store.live("Opportunity", opportunity)
        if before is None:
            return
        lines = self.store.pointing("OpportunityLineItem", "OpportunityId", opportunity)
        amount = sum((_number(row["TotalPrice"]) for row in lines), Decimal(0))
        quantity = sum((_number(row["Quantity"]) for row in lines), Decimal(0))
        values: dict[str, Stored] = {"HasOpportunityLineItem": bool(lines)}
        if lines:
            values |= {"Amount": amount.quantize(CENT), "TotalOpportunityQuantity": quantity}
            if before["Pricebook2Id"] is None:
                entry = self.store.tables["PricebookEntry"].get(str(lines[0]["PricebookEntryId"]), {})
                values["Pricebook2Id"] = entry.get("Pricebook2Id")
        if any(before.get(name) != value for name, value in values.items()):
            tx.change("Opportunity", opportunity, values)

    def _default_currency(self, entity: Entity, row: Row) -> Row:
        if "CurrencyIsoCode" not in entity.fields or row.get("CurrencyIsoCode"):
            return row
        parent = self.store.tables["Opportunity"].get(str(row.get("OpportunityId")), {})
        return row | {"CurrencyIsoCode": parent.get("CurrencyIsoCode") or self.currency}

    def _stage(self, row: Row, tx: Transaction) -> Row:
        stage = next((s for s in self.store.rows("OpportunityStage") if s["ApiName"] == row.get("StageName")), None)
        forecast = stage["ForecastCategory"] if stage else "Pipeline"
        values: Row = {
            "IsClosed": bool(stage and stage["IsClosed"]), "IsWon": bool(stage and stage["IsWon"]),
            "ForecastCategory": forecast, "ForecastCategoryName": _FORECAST_NAME[str(forecast)],
            "LastStageChangeDate": tx.at,
        }  # fmt: skip
        if row.get("Probability") is None and stage is not None:
            values["Probability"] = stage["DefaultProbability"]
        return values

    def _opportunity_update(self, tx: Transaction, before: Row, values: dict[str, Stored]) -> dict[str, Stored]:
        if before["HasOpportunityLineItem"]:
            values.pop("Amount", None)  # ignored without a word once there are lines
            values.pop("TotalOpportunityQuantity", None)
            if values.get("Pricebook2Id", before["Pricebook2Id"]) != before["Pricebook2Id"]:
                raise Refusal(
                    "FIELD_INTEGRITY_EXCEPTION",
                    "Opportunity Pricebook cannot be changed while it has products",
                    ("Pricebook2Id",),
                )
        if values.get("StageName", before["StageName"]) != before["StageName"]:
            given = {"Probability": values.get("Probability")}
            return values | self._stage({"StageName": values["StageName"], **given}, tx)
        return values

    def _new_line(self, row: Row) -> Row:
        entry = self.store.live("PricebookEntry", str(row["PricebookEntryId"]) if row["PricebookEntryId"] else None)
        if entry is None:
            raise missing("PricebookEntryId")
        if not entry["IsActive"]:
            raise Refusal("STANDARD_PRICE_NOT_DEFINED", "Pricebook entry is inactive", ("PricebookEntryId",))
        opportunity = self.store.live("Opportunity", str(row["OpportunityId"]))
        if opportunity is not None and opportunity["Pricebook2Id"] not in (None, entry["Pricebook2Id"]):
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION",
                "The entry is of another pricebook than the opportunity",
                ("PricebookEntryId",),
            )
        product = self.store.tables["Product2"].get(str(entry["Product2Id"]), {})
        name = f"{opportunity['Name']} {product.get('Name')}" if opportunity else product.get("Name")
        known: Row = {
            "Product2Id": entry["Product2Id"], "ProductCode": product.get("ProductCode"), "Name": name,
            "ListPrice": entry["UnitPrice"],
        }  # fmt: skip
        return row | known | self._price({**row, **known})

    def _line_update(self, before: Row, values: dict[str, Stored]) -> dict[str, Stored]:
        if not {"Quantity", "UnitPrice", "TotalPrice", "Discount"} & set(values):
            return values
        row: Row = {**before, **values}
        if "TotalPrice" not in values:
            row["TotalPrice"] = None
        elif "UnitPrice" not in values:
            row["UnitPrice"] = None
        return values | self._price(row)

    @staticmethod
    def _price(row: Row) -> Row:
        """UnitPrice gives TotalPrice or the other way round; both at once is an error of the platform."""
        quantity, unit, total = row.get("Quantity"), row.get("UnitPrice"), row.get("TotalPrice")
        if quantity is None:
            return {}
        if unit is not None and total is not None:
            raise Refusal(
                "FIELD_INTEGRITY_EXCEPTION", "Specify either UnitPrice or TotalPrice, not both", ("TotalPrice",)
            )
        if unit is None and total is None:
            raise missing("UnitPrice")
        rest = 1 - _number(row.get("Discount")) / 100
        if unit is not None:
            return {"TotalPrice": (_number(quantity) * _number(unit) * rest).quantize(CENT, ROUND_HALF_UP)}
        base = _number(quantity) * rest
        return {"UnitPrice": (_number(total) / base).quantize(CENT, ROUND_HALF_UP) if base else Decimal(0)}


def _number(value: Stored) -> Decimal:
    return Decimal(value) if isinstance(value, Decimal | int) else Decimal(0)


def _amounts(row: Row) -> tuple[Stored, ...]:
    return row.get("TotalPrice"), row.get("Quantity")
