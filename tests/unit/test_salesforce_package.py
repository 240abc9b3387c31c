"""The SFDX package: well-formed, deployable by the platform's rules, and in step with what the connector uses."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

from connector.core.catalog import Catalog
from connector.core.mapping.bind import bind
from connector.core.mapping.check import check
from connector.core.mapping.model import Mapping
from connector.core.mapping.parse import parse
from connector.core.records import Side
from connector.core.sync_state import Shown
from connector.salesforce.describe import SalesforceCatalog, shape_of
from connector.salesforce.sync_object import OBJECT, WRITTEN, lacking
from connector.settings import SalesforceSettings
from connector.simulators.salesforce import content
from connector.simulators.salesforce.describe import describe
from connector.simulators.salesforce.permissions import Permissions
from connector.simulators.salesforce.sales_org import PICKLISTS, TABLES
from connector.simulators.salesforce.schema import Field, build_schema
from connector.xero.catalog import XeroCatalog

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "salesforce-package"
SOURCE = PACKAGE / "force-app" / "main" / "default"
SPACE = "{http://soap.sforce.com/2006/04/metadata}"
ROOTS = {
    "field": "CustomField", "object": "CustomObject", "permissionset": "PermissionSet",
    "platformEventChannel": "PlatformEventChannel", "platformEventChannelMember": "PlatformEventChannelMember",
    "listView": "ListView", "tab": "CustomTab", "flow": "Flow", "js": "LightningComponentBundle",
}  # fmt: skip
SCHEMA = build_schema((*TABLES, *content.TABLES), PICKLISTS, currencies=False)
TYPES = {
    "string": "Text", "email": "Email", "currency": "Currency", "double": "Number", "date": "Date",
    "boolean": "Checkbox", "datetime": "DateTime", "url": "Url", "textarea": "LongTextArea",
    "reference": "Lookup", "picklist": "Picklist",
}  # fmt: skip
POLLED = {"Contact", "Credit__c", "ContentDocumentLink", "PricebookEntry"}  # their mappings say so
# mappings for orgs with a feature that a package cannot ask for, and for an object of one's own
FEATURES = {"person-accounts", "voucher"}
# What no permission set may name: system fields, required ones, and what follows from others.
UNGUARDED = re.compile(
    r"\.(Id|Name|IsDeleted|SystemModstamp|IsWon|IsClosed|CloseDate|StageName|Quantity|UnitPrice|SortOrder|Product2Id)$"
    r"|\.CurrencyIsoCode$|^PricebookEntry\.(IsActive|ProductCode|Pricebook2Id)$|^Pricebook2\.IsStandard$|\.PricebookEntryId$"
    r"|^Contact\.(First|Last)Name$|^Content(Document|DocumentLink|Version)\."
)


@cache
def documents() -> dict[Path, ElementTree.Element]:
    return {path: ElementTree.parse(path).getroot() for path in sorted(SOURCE.rglob("*.xml"))}  # noqa: S314


def all_of(kind: str) -> Iterator[tuple[Path, ElementTree.Element]]:
    return ((path, root) for path, root in documents().items() if root.tag == SPACE + kind)


def text(element: ElementTree.Element, name: str) -> str:
    return str(element.findtext(SPACE + name, ""))


def parts(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return element.findall(SPACE + name)


@cache
def package_fields() -> dict[str, ElementTree.Element]:
    """``Object.Field__c`` → its definition."""
    return {f"{path.parents[1].name}.{text(root, 'fullName')}": root for path, root in all_of("CustomField")}


def permission_set(name: str = "Twinledger") -> ElementTree.Element:
    return documents()[SOURCE / "permissionsets" / f"{name}.permissionset-meta.xml"]


@cache
def granted() -> dict[str, bool]:
    """Field → whether it may be edited."""
    permissions = permission_set()
    return {text(one, "field"): text(one, "editable") == "true" for one in parts(permissions, "fieldPermissions")}


@cache
def catalogs() -> dict[Side, Catalog]:
    """An org that has the package, and Xero."""
    shapes = (shape_of(describe(SCHEMA, each, Permissions(), "62.0")) for each in SCHEMA.entities.values())
    return {Side.SALESFORCE: SalesforceCatalog({}).with_objects(shapes), Side.XERO: XeroCatalog()}


@cache
def shipped() -> tuple[Mapping, ...]:
    """The mappings of the repository, bound to that org."""
    files = sorted(path for path in (REPOSITORY / "mappings").rglob("*.yaml") if path.parent.name not in FEATURES)
    bound = [bind(parse(file.read_text("utf-8"), file.name), catalogs()) for file in files]
    assert bound
    return tuple(bound)


def paths(entity: str, names: tuple[str, ...]) -> Iterator[str]:
    """Each path of a read plan as ``Object.Field``, also on the way."""
    for name in names:
        at, *steps = entity, *name.split(".")
        for step in steps[:-1]:
            reference = SCHEMA.entities[at].parent(step)
            if reference is None or reference.reference_to is None:
                break  # a part of an address
            yield f"{at}.{reference.name}"
            at = reference.reference_to
        else:
            yield f"{at}.{steps[-1]}"


def read() -> set[str]:
    out: set[str] = {f"{OBJECT}.{name}" for name in WRITTEN}
    for mapping in shipped():
        plan = mapping.read_plan(Side.SALESFORCE)
        out |= set(paths(plan.entity, plan.fields))
        for name, columns in plan.children.items():
            out |= set(paths(SCHEMA.entities[plan.entity].children[name].entity, columns))
    return out


def written() -> set[str]:
    out = {f"{OBJECT}.{name}" for name in WRITTEN}
    for mapping in shipped():
        entity = mapping.end(Side.SALESFORCE).entity
        if mapping.pairs:
            out |= {f"{entity}.{pair.name}" for pair in mapping.pairs}
        elif mapping.target.side is Side.SALESFORCE:
            out |= {f"{entity}.{setting.path}" for setting in mapping.settings}
            for block in mapping.blocks:
                out |= {f"{block.entity}.{name}" for name in (block.mark, *(one.path for one in block.settings))}
    return out


def compound(name: str) -> str:
    """A permission is on the whole address, not on its parts."""
    entity, _, field = name.partition(".")
    found = SCHEMA.entities[entity].fields.get(field)
    return f"{entity}.{found.compound}" if found is not None and found.compound else name


def test_package_project_names_its_folder() -> None:
    project = json.loads((PACKAGE / "sfdx-project.json").read_text("utf-8"))
    assert [each["path"] for each in project["packageDirectories"]] == ["force-app"]
    assert project["sourceApiVersion"] == SalesforceSettings.model_fields["api_version"].default


@pytest.mark.parametrize("path", list(documents()), ids=lambda path: path.name)
def test_package_file_is_what_its_name_says(path: Path) -> None:
    root = documents()[path]
    kind = path.name.removesuffix("-meta.xml").rpartition(".")[2]
    assert root.tag == SPACE + ROOTS[kind]
    if kind == "field":
        assert text(root, "fullName") == path.name.removesuffix(".field-meta.xml")
    if kind == "object":
        assert path.parent.name == path.name.removesuffix(".object-meta.xml")
    assert path.read_bytes().startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n')


def test_package_members_name_our_channel_and_no_more_than_five_objects() -> None:
    ((channel, _),) = all_of("PlatformEventChannel")
    name = channel.name.removesuffix(".platformEventChannel-meta.xml")
    assert SalesforceSettings.model_fields["channels"].default == (f"/data/{name}",)
    selected = set()
    for path, member in all_of("PlatformEventChannelMember"):
        assert text(member, "eventChannel") == name
        assert "__" not in path.name  # the platform would take the part before it for a namespace
        selected.add(text(member, "selectedEntity"))
    assert len(selected) == 5
    assert selected <= {each.channel for each in SCHEMA.entities.values() if each.tracked}
    followed = {mapping.source.entity for mapping in shipped() if mapping.source.side is Side.SALESFORCE}
    assert {SCHEMA.entities[entity].channel for entity in followed - POLLED} <= selected


@pytest.mark.parametrize("name", sorted(package_fields()))
def test_package_field_is_as_the_simulated_org_has_it(name: str) -> None:
    entity, _, field_name = name.partition(".")
    field, found = SCHEMA.entities[entity].fields[field_name], package_fields()[name]
    detail = field.type == "reference" and not field.nillable
    assert text(found, "type") == ("MasterDetail" if detail else TYPES[field.type])
    assert text(found, "label")
    if field.calculated:
        assert text(found, "formula")
        return
    _same_size(field, found)
    assert (text(found, "externalId") == "true", text(found, "unique") == "true") == (field.external_id, field.unique)
    if field.type == "reference":
        target = text(found, "referenceTo")
        assert target == field.reference_to
        assert target in SCHEMA.entities
    if field.type == "picklist":
        definition = found.find(f"{SPACE}valueSet/{SPACE}valueSetDefinition")
        assert definition is not None
        assert tuple(text(one, "fullName") for one in parts(definition, "value")) == field.values


def _same_size(field: Field, found: ElementTree.Element) -> None:
    if field.type in ("string", "textarea"):
        assert int(text(found, "length")) == field.length
    if field.type in ("currency", "double"):
        assert (int(text(found, "precision")), int(text(found, "scale"))) == (field.precision, field.scale)
        assert field.precision <= 18  # the platform's most


def test_package_has_every_custom_field_of_the_simulated_org() -> None:
    assert set(package_fields()) == {
        f"{entity.name}.{field}"
        for entity in SCHEMA.entities.values()
        for field in entity.fields
        if field[-3:] == "__c"
    }
    objects = {path.parent.name for path, _ in all_of("CustomObject")}
    assert objects == {entity.name for entity in SCHEMA.entities.values() if entity.custom}


def test_package_has_every_custom_field_that_the_connector_reads_or_writes() -> None:
    used = {name for name in read() | written() if name.endswith("__c")}
    assert used
    assert used <= set(package_fields())


def test_shipped_mappings_have_no_problem_in_an_org_with_the_package() -> None:
    folders = [REPOSITORY / "mappings" / name for name in ("", "shop", "metadata", "products", "persons")]
    with_shop = {file.name for folder in folders for file in folder.glob("*.yaml")}
    assert check(tuple(one for one in shipped() if one.file in with_shop), catalogs()) == ()


def test_package_marks_are_external_ids() -> None:
    marks = {f"{m.end(Side.SALESFORCE).entity}.{m.mark}" for m in shipped() if m.mark and m.mark.endswith("__c")}
    marks |= {f"{block.entity}.{block.mark}" for mapping in shipped() for block in mapping.blocks if block.mark}
    assert len(marks) == 14
    for mark in marks:
        assert text(package_fields()[mark], "externalId") == "true"
        assert text(package_fields()[mark], "unique") == "true"


def test_package_grants_what_is_read_and_lets_edit_what_is_written() -> None:
    rights = granted()
    needed = {compound(name) for name in read() if not UNGUARDED.search(name)}
    assert needed - set(rights) == set()
    edited = {compound(name) for name in written() if not UNGUARDED.search(name)}
    assert {name for name in edited if not rights.get(name)} == set()


def test_package_object_of_sync_states_is_what_the_connector_writes() -> None:
    shape = shape_of(describe(SCHEMA, SCHEMA.entities[OBJECT], Permissions(), "62.0"))
    assert lacking(shape) == ()
    assert lacking(shape_of(describe(SCHEMA, SCHEMA.entities["Expense__c"], Permissions(), "62.0")))[0] == "Key__c"
    assert PICKLISTS["SyncState"] == tuple(Shown)


def test_package_lets_people_read_sync_states_and_ask_for_another_try_and_nothing_else() -> None:
    people = permission_set("Twinledger_People")
    fields = {text(one, "field"): text(one, "editable") for one in parts(people, "fieldPermissions")}
    assert {name for name, editable in fields.items() if editable == "true"} == {f"{OBJECT}.Retry__c"}
    assert set(fields) == {name for name in package_fields() if name.startswith(f"{OBJECT}.")}
    (rights,) = parts(people, "objectPermissions")
    assert (text(rights, "object"), text(rights, "allowCreate"), text(rights, "allowDelete")) == (
        OBJECT,
        "false",
        "false",
    )


@pytest.mark.parametrize("path", [path for path, _ in all_of("Flow")], ids=lambda path: path.name)
def test_package_flow_is_a_draft_that_starts_from_fields_that_are_there(path: Path) -> None:
    flow = documents()[path]
    (start,) = parts(flow, "start")
    entity = text(start, "object")
    assert text(flow, "status") == "Draft"  # a sample: deploying it changes nothing
    assert (text(start, "triggerType"), text(start, "recordTriggerType")) == ("RecordAfterSave", "CreateAndUpdate")
    assert text(start, "doesRequireRecordChangedToMeetCriteria") == "true"  # once for each passage
    words = ElementTree.tostring(flow, "unicode")
    named = {name for name in re.findall(r"\$Record\.(\w+)", words) if not name.endswith("__r")}
    starts = [text(one, "field") for one in parts(start, "filters")]
    starts += [text(one, "recordField") for one in parts(start, "scheduledPaths")]
    assert {*named, *starts} <= set(SCHEMA.entities[entity].fields)
    made = {text(one, "name") for kind in ("recordCreates", "decisions") for one in parts(flow, kind)}
    assert {one.text for one in flow.iter(f"{SPACE}targetReference")} <= made
    kinds = [child.tag.removeprefix(SPACE) for child in flow]
    assert kinds == sorted(kinds)


def test_package_flows_start_on_words_that_are_written() -> None:
    found = [
        (text(one, "field"), value.text)
        for _, flow in all_of("Flow")
        for start in parts(flow, "start")
        for one in parts(start, "filters")
        for value in one.iter(f"{SPACE}stringValue")
    ]
    mapped = {m.name: m for m in shipped()}["invoice-to-xero-invoice"]
    (words,) = [str(one.value.text) for one in mapped.settings if one.path == "Payment_Status__c"]
    assert len(found) == 5
    for name, value in found:
        assert value in tuple(Shown) if name == "State__c" else f"'{value}'" in words


@pytest.mark.parametrize("path", [path for path, _ in all_of("ListView")], ids=lambda path: path.name)
def test_package_list_view_shows_fields_that_are_there(path: Path) -> None:
    view, entity = documents()[path], path.parents[1].name
    for name in [
        *(one.text for one in parts(view, "columns")),
        *(text(one, "field") for one in parts(view, "filters")),
    ]:
        assert name == "NAME" or f"{entity}.{name}" in package_fields()
    for one in parts(view, "filters"):
        assert set(text(one, "value").split(",")) <= set(SCHEMA.entities[entity].fields[text(one, "field")].values)


def test_package_permissions_name_nothing_that_cannot_be_granted() -> None:
    permissions = permission_set()
    for name in granted():
        entity, _, field_name = name.partition(".")
        field = SCHEMA.entities[entity].fields[field_name]
        assert field.nillable or field.type == "boolean", f"{name} is required: deploying it fails"
        assert not UNGUARDED.search(name)
    objects = {text(one, "object"): one for one in parts(permissions, "objectPermissions")}
    assert "OpportunityLineItem" not in objects  # its rights are the opportunity's and the price book's
    for name, one in objects.items():
        assert name in SCHEMA.entities
        assert (text(one, "allowRead"), text(one, "viewAllRecords")) == ("true", "true")  # else events stay out
        rows = name in {block.entity for mapping in shipped() for block in mapping.blocks}
        assert text(one, "allowDelete") == str(rows).lower(), "only rows of a document are ever taken away"
        assert text(one, "modifyAllRecords") == "false"
    order = [child.tag.removeprefix(SPACE) for child in permissions]
    assert order == sorted(order)  # as the platform writes it, so that a retrieve shows no difference


def test_package_component_shows_fields_that_people_may_read_and_changes_only_the_box() -> None:
    folder = SOURCE / "lwc" / "twinledgerSync"
    script, page = ((folder / f"twinledgerSync.{kind}").read_text("utf-8") for kind in ("js", "html"))
    named = set(re.findall(r"\b\w+__c\b", script)) - {OBJECT}
    rights = permission_set("Twinledger_People")
    readable = {text(one, "field").partition(".")[2] for one in parts(rights, "fieldPermissions")}
    assert named <= readable
    (changed,) = re.findall(r"updateRecord\(\{ fields: \{ Id: [\w.]+, (\w+): true \} \}\)", script)
    assert changed == "Retry__c"
    members = {name for name in re.findall(r"\{(\w+)\}", page) if name != "rows"}
    assert members == {"problem", "nothing", "retry"}
    assert all(re.search(rf"\b{name}\b", script) for name in members)
    rows = set(re.findall(r"\{row\.(\w+)\}", page))
    fields = re.search(r"const FIELDS = \{(.*?)\};", script, re.S)
    assert fields is not None
    assert rows <= {"id", "retries", *re.findall(r"(\w+):", fields[1])}
