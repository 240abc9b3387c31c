"""Who the two parties are, against who the configuration says they are."""

from __future__ import annotations

import pytest

from connector.core.party import Organisation
from connector.errors import ConfigurationError
from connector.settings import ConnectionSettings, SalesforceSettings, XeroSettings
from streams.parties import identify

ORG = Organisation("00D000000000001EAA", "Acme", None, None)
COMPANY = Organisation("c-1", "Acme Ltd", "GBP", is_demo=False)
DEMO = Organisation("c-1", "Demo Company", "GBP", is_demo=True)
UNSAID = Organisation("c-1", "Acme Ltd", "GBP", is_demo=None)


def configured(org: str = "", company: str = "", demo: bool | None = None) -> ConnectionSettings:
    return ConnectionSettings(
        name="main",
        salesforce=SalesforceSettings(url="https://example.org", client_id="x", organisation=org),
        xero=(XeroSettings(tenant="t", client_id="x", organisation=company, demo=demo),),
    )


@pytest.mark.parametrize(
    ("settings", "company"),
    [
        (configured(), COMPANY),
        (configured(org="00D000000000001", company="c-1"), COMPANY),
        (configured(demo=True), DEMO),
        (configured(demo=False), COMPANY),
        (configured(demo=False), DEMO),
    ],
)
def test_who_is_let_in(settings: ConnectionSettings, company: Organisation) -> None:
    identify(settings, ORG, {"t": company})


@pytest.mark.parametrize(
    ("settings", "company", "code"),
    [
        (configured(org="00D000000000002EAA"), COMPANY, "organisation.other"),
        (configured(company="c-2"), COMPANY, "organisation.other"),
        (configured(company="c-2", demo=True), DEMO, "organisation.other"),
        (configured(demo=True), COMPANY, "organisation.not-demo"),
        (configured(demo=True), UNSAID, "organisation.not-demo"),
    ],
)
def test_who_is_not(settings: ConnectionSettings, company: Organisation, code: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        identify(settings, ORG, {"t": company})
    assert refused.value.code == code
