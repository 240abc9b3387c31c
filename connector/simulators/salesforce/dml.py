"""Insert, update, upsert, delete and undelete of single rows, with the platform's checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.rules import Rules
from connector.simulators.salesforce.schema import Entity, Field
from connector.simulators.salesforce.store import Caller, Row, Store, Transaction, present
from connector.simulators.salesforce.values import Refusal, Stored, coerce, missing

_NOT_WRITABLE = (
    "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is "
    "read/write for your profile or permission set."
)


@dataclass(frozen=True)
class Dml:
    """The statements. All raise Refusal and leave clean-up to the caller's savepoint."""

    store: Store
    permissions: Permissions
    rules: Rules
    locks: dict[str, int] = field(default_factory=dict)  # record id → how many changes of it find it locked
    duplicates: Callable[[], str] = lambda: ""

    def insert(self, tx: Transaction, entity: Entity, raw: Mapping[str, object]) -> str:
        if not (entity.writable and self.permissions.writes_object(entity.name)):
            raise Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be inserted: {entity.name}")
        values = self._values(entity, raw, creating=True)
        record_id = self.store.new_id(entity)
        row = self._born(tx, entity, record_id) | values
        row = self.rules.before_insert(tx, entity, row)
        self._require(entity, row)
        self._unique(entity, record_id, row)
        self._duplicate(tx, entity, row)
        tx.put(entity.name, record_id, self.rules.computed(entity, row))
        self.rules.after_insert(tx, entity, record_id)
        return record_id

    def update(self, tx: Transaction, entity: Entity, record_id: str, raw: Mapping[str, object]) -> None:
        if not (entity.writable and self.permissions.writes_object(entity.name)):
            raise Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be updated: {entity.name}")
        before = present(self.store, entity, record_id)
        self._locked(record_id)
        values = self.rules.before_update(tx, entity, before, self._values(entity, raw, creating=False))
        row: Row = {**before, **values}
        self._require(entity, row)
        self._unique(entity, record_id, row)
        tx.change(entity.name, record_id, self.rules.computed(entity, row))
        self.rules.after_update(tx, entity, record_id, before)

    def upsert(
        self, tx: Transaction, entity: Entity, key: Field, value: object, raw: Mapping[str, object]
    ) -> tuple[str, bool]:
        """By an external id. Gives the id and whether it was created. More than one match is a Refusal."""
        found = self.matches(entity, key, value)
        if len(found) > 1:
            raise Refusal("DUPLICATE_EXTERNAL_ID", f"{key.name}: more than one record found for external id field")
        body = {name: part for name, part in raw.items() if name.lower() != key.name.lower()}
        if found:
            self.update(tx, entity, found[0], body)
            return found[0], False
        return self.insert(tx, entity, {**body, key.name: value}), True

    def matches(self, entity: Entity, key: Field, value: object) -> list[str]:
        wanted = coerce(key, value)
        if wanted is None:
            raise Refusal("MISSING_ARGUMENT", f"{key.name} not specified", (key.name,))
        return [str(row["Id"]) for row in self.store.pointing(entity.name, key.name, wanted)]

    def delete(self, tx: Transaction, entity: Entity, record_id: str) -> None:
        if not (entity.writable and self.permissions.writes_object(entity.name)):
            raise Refusal("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", f"entity type cannot be deleted: {entity.name}")
        before = present(self.store, entity, record_id)
        self.rules.before_delete(tx, entity, record_id)
        self._delete_tree(tx, entity, record_id)
        self.rules.after_delete(tx, entity, before)

    def _delete_tree(self, tx: Transaction, entity: Entity, record_id: str) -> None:
        for child in entity.children.values():
            offspring = self.store.schema.entities[child.entity]
            for row in self.store.pointing(child.entity, child.field, record_id):
                if child.cascade:
                    self._delete_tree(tx, offspring, str(row["Id"]))
                else:
                    tx.change(child.entity, str(row["Id"]), {child.field: None}, quietly=True)
        tx.change(entity.name, record_id, {"IsDeleted": True})

    def undelete(self, tx: Transaction, entity: Entity, record_id: str) -> None:
        row = self.store.tables[entity.name].get(record_id)
        if row is None or not row["IsDeleted"]:
            raise Refusal("UNDELETE_FAILED", "Entity is not in the recycle bin")
        tx.change(entity.name, record_id, {"IsDeleted": False})
        for child in entity.children.values():
            if child.cascade:
                for below in self.store.pointing(child.entity, child.field, record_id, deleted=True):
                    if below["IsDeleted"]:
                        self.undelete(tx, self.store.schema.entities[child.entity], str(below["Id"]))

    def _born(self, tx: Transaction, entity: Entity, record_id: str) -> Row:
        row: Row = {name: False if f.type == "boolean" else None for name, f in entity.fields.items()}
        owner = {"OwnerId": tx.caller.user} if "OwnerId" in entity.fields else {}
        stamps = dict.fromkeys(("CreatedDate", "LastModifiedDate", "SystemModstamp"), tx.at)
        users = dict.fromkeys(("CreatedById", "LastModifiedById"), tx.caller.user)
        return row | {"Id": record_id, "IsDeleted": False} | owner | stamps | users

    def sample(self, caller: Caller, entity: Entity, raw: Mapping[str, object], at: datetime) -> Row:
        """What a record with these fields holds, born at a time; without an id, and without its empty fields."""
        tx = Transaction(self.store, caller, at)
        row = self.rules.before_insert(
            tx, entity, self._born(tx, entity, "") | self._values(entity, raw, creating=True)
        )
        self._require(entity, row)
        full = self.rules.computed(entity, row)
        return {name: value for name, value in full.items() if value is not None}

    def _values(self, entity: Entity, raw: Mapping[str, object], *, creating: bool) -> dict[str, Stored]:
        values: dict[str, Stored] = {}
        for name, part in raw.items():
            if name in ("attributes", "Id", "id"):
                continue
            field = entity.find(name)
            if field is None:
                values |= self._by_relationship(entity, name, part)
                continue
            if not self.permissions.sees(entity.name, field.name):
                raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
            allowed = field.createable if creating else field.updateable
            if not allowed or not self.permissions.writes(entity.name, field.name):
                raise Refusal("INVALID_FIELD_FOR_INSERT_UPDATE", _NOT_WRITABLE.format(field.name), (field.name,))
            values[field.name] = self._checked(entity, field, coerce(field, part))
        return values

    def _by_relationship(self, entity: Entity, name: str, part: object) -> dict[str, Stored]:
        """``{"Account__r": {"Xero_Contact_Id__c": "…"}}``: a parent named by its external id."""
        field = entity.parent(name)
        if field is None or field.reference_to is None or not isinstance(part, Mapping):
            raise Refusal("INVALID_FIELD", f"No such column '{name}' on sobject of type {entity.name}")
        parent = self.store.schema.entities[field.reference_to]
        for key_name, value in part.items():
            key = parent.find(key_name)
            if key is not None and key.external_id:
                found = self.matches(parent, key, value)
                if len(found) == 1:
                    return {field.name: found[0]}
                raise Refusal(
                    "INVALID_FIELD",
                    f"Foreign key external ID: {value} not found for field {key.name} in entity {parent.name}",
                )
        raise Refusal("INVALID_FIELD", f"No external id in relationship {name}")

    def _checked(self, entity: Entity, field: Field, value: Stored) -> Stored:
        if field.type != "reference" or value is None or field.reference_to is None:
            return value
        target = self.store.schema.entities[field.reference_to]
        if not str(value).startswith(target.prefix):
            raise Refusal("MALFORMED_ID", f"{field.name}: id value of incorrect type: {value}", (field.name,))
        row = self.store.tables[target.name].get(str(value))
        if row is None:
            raise Refusal("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", (field.name,))
        if row["IsDeleted"]:
            raise Refusal("ENTITY_IS_DELETED", "entity is deleted", (field.name,))
        return value

    def _require(self, entity: Entity, row: Row) -> None:
        absent = [
            f.name
            for f in entity.fields.values()
            if not f.nillable and f.createable and not f.defaulted and row.get(f.name) is None
        ]
        if absent:
            raise missing(*absent)

    def _locked(self, record_id: str) -> None:
        if self.locks.get(record_id, 0) > 0:
            self.locks[record_id] -= 1
            raise Refusal("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")

    def _duplicate(self, tx: Transaction, entity: Entity, row: Row) -> None:
        """The standard duplicate rule of accounts, on equal names."""
        rule = self.duplicates()
        if not rule or entity.name != "Account" or (rule == "alert" and tx.caller.allow_duplicates):
            return
        if any(one["Name"] == row["Name"] for one in self.store.rows("Account")):
            raise Refusal("DUPLICATES_DETECTED", "Use one of these records?")

    def _unique(self, entity: Entity, record_id: str, row: Row) -> None:
        for one in entity.fields.values():
            if not one.unique or row.get(one.name) is None:
                continue
            for other in self.store.pointing(entity.name, one.name, row[one.name]):
                if other["Id"] != record_id:
                    raise Refusal(
                        "DUPLICATE_VALUE",
                        f"duplicate value found: {one.name} duplicates value on record "
                        f"with id: {str(other['Id'])[:15]}",
                    )
