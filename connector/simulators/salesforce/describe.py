"""describe: objects and fields as the REST API tells clients about them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.schema import Entity, Field, Schema

_SOAP = {
    "id": "tns:ID", "reference": "tns:ID", "boolean": "xsd:boolean", "int": "xsd:int", "double": "xsd:double",
    "currency": "xsd:double", "percent": "xsd:double", "date": "xsd:date", "datetime": "xsd:dateTime",
    "address": "urn:address",
}  # fmt: skip


def describe_global(schema: Schema, permissions: Permissions, version: str) -> Mapping[str, Any]:
    seen = [entity for entity in schema.entities.values() if permissions.sees_object(entity.name)]
    return {
        "encoding": "UTF-8",
        "maxBatchSize": 200,
        "sobjects": [_head(entity, permissions, version) for entity in seen],
    }


def describe(schema: Schema, entity: Entity, permissions: Permissions, version: str) -> Mapping[str, Any]:
    """One object whole: fields and child relationships that the user may see."""
    fields = [_field(entity, f, permissions) for f in entity.fields.values() if permissions.sees(entity.name, f.name)]
    children = [
        {
            "cascadeDelete": child.cascade, "childSObject": child.entity, "deprecatedAndHidden": False,
            "field": child.field, "junctionIdListNames": [], "junctionReferenceTo": [],
            "relationshipName": child.name, "restrictedDelete": False,
        }
        for child in entity.children.values()
        if permissions.sees(child.entity, child.field)
    ]  # fmt: skip
    extra = {
        "actionOverrides": [], "childRelationships": children, "compactLayoutable": True, "fields": fields,
        "listviewable": None, "lookupLayoutable": None, "namedLayoutInfos": [], "networkScopeFieldName": None,
        "recordTypeInfos": [], "searchLayoutable": True, "sobjectDescribeOption": "FULL",
        "supportedScopes": [{"label": "Everything", "name": "everything"}],
    }  # fmt: skip
    return dict(sorted({**_head(entity, permissions, version), **extra}.items()))


def _head(entity: Entity, permissions: Permissions, version: str) -> Mapping[str, Any]:
    writable = entity.writable and permissions.writes_object(entity.name)
    base = f"/services/data/v{version}/sobjects/{entity.name}"
    label = entity.name.removesuffix("__c").replace("_", " ")
    return {
        "activateable": False, "associateEntityType": None, "associateParentEntity": None,
        "createable": writable, "custom": entity.custom, "customSetting": False, "deepCloneable": False,
        "defaultImplementation": None, "deletable": writable, "deprecatedAndHidden": False,
        "extendedBy": None, "extendsInterfaces": None, "feedEnabled": False, "hasSubtypes": False,
        "implementedBy": None, "implementsInterfaces": None, "isInterface": False, "isSubtype": False,
        "keyPrefix": entity.prefix, "label": label, "labelPlural": label + "s", "layoutable": True,
        "mergeable": False, "mruEnabled": True, "name": entity.name, "queryable": True,
        "replicateable": entity.replicated,
        "retrieveable": True, "searchable": True, "triggerable": entity.tracked, "undeletable": entity.writable,
        "updateable": writable,
        "urls": {"sobject": base, "describe": f"{base}/describe", "rowTemplate": base + "/{ID}"},
    }  # fmt: skip


def _field(entity: Entity, field: Field, permissions: Permissions) -> Mapping[str, Any]:
    writable = entity.writable and permissions.writes(entity.name, field.name)
    picklist = [
        {"active": True, "defaultValue": False, "label": value, "validFor": None, "value": value}
        for value in field.values
    ]
    return {
        "aggregatable": not field.long_text, "aiPredictionField": False, "autoNumber": False,
        "byteLength": field.length * (1 if field.type in ("id", "reference") else 3),
        "calculated": field.calculated, "calculatedFormula": None, "cascadeDelete": False, "caseSensitive": False,
        "compoundFieldName": field.compound, "controllerName": None,
        "createable": field.createable and writable, "custom": field.custom, "defaultValue": None,
        "defaultValueFormula": None, "defaultedOnCreate": field.defaulted, "dependentPicklist": False,
        "deprecatedAndHidden": False, "digits": field.precision if field.type == "int" else 0,
        "displayLocationInDecimal": False, "encrypted": False, "externalId": field.external_id,
        "extraTypeInfo": "plaintextarea" if field.type == "textarea" else None, "filterable": not field.long_text,
        "filteredLookupInfo": None, "formulaTreatNullNumberAsZero": False, "groupable": not field.long_text,
        "highScaleNumber": False, "htmlFormatted": False, "idLookup": field.type == "id" or field.external_id,
        "inlineHelpText": None, "label": field.name.removesuffix("__c").replace("_", " "), "length": field.length,
        "mask": None, "maskType": None, "name": field.name, "nameField": field.name == "Name", "namePointing": False,
        "nillable": field.nillable, "permissionable": field.nillable, "picklistValues": picklist,
        "polymorphicForeignKey": False, "precision": 0 if field.type == "int" else field.precision,
        "queryByDistance": field.type == "address", "referenceTargetField": None,
        "referenceTo": [field.reference_to] if field.reference_to else [],
        "relationshipName": field.relationship, "relationshipOrder": None, "restrictedDelete": False,
        "restrictedPicklist": field.restricted, "scale": field.scale, "searchPrefilterable": False,
        "soapType": _SOAP.get(field.type, "xsd:string"), "sortable": not field.long_text, "type": field.type,
        "unique": field.unique, "updateable": field.updateable and writable,
        "writeRequiresMasterRead": False,
    }  # fmt: skip
