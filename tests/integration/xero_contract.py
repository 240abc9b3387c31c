"""Xero's published files as a judge: of the requests that we send, and of the answers and webhooks of the simulator.

The accounting file says little of what must be there, so it is asked for all it does say: paths, methods, parameters,
and bodies (``xero_schema``). Connections, tokens and webhooks are judged by the files of their own; of the sign-in the
file describes one form, and the others are RFC 6749's and RFC 7636's. What the real wire is known to do otherwise
stands in ``KNOWN``, each with its reason. The whole suite is judged (``tests/conftest.py``).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from connector.simulators.exchanges import Exchange
from tests.integration.xero_differences import KNOWN
from tests.integration.xero_schema import Check, check_of, named, plural_of, published, resolved

ACCOUNTING, IDENTITY, WEBHOOKS = "accounting", "identity", "webhooks"
BASE = "/api.xro/2.0"
OURS = "python-httpx"  # the product's HTTP library names itself so; tests that try the simulator use others
# what each kind of token request must and may hold (RFC 6749 §2.3.1, §4.1.3, §4.4.2, §6; RFC 7636 §4.5)
GRANTS: Mapping[str, tuple[str, str]] = {
    "client_credentials": ("grant_type", "scope client_id client_secret"),
    "authorization_code": ("grant_type code redirect_uri", "code_verifier client_id client_secret"),
    "refresh_token": ("grant_type refresh_token", "scope client_id client_secret"),
}
# RFC 6749 §4.1.1, RFC 7636 §4.3; Xero asks for scope and state
CONSENT = ("response_type client_id redirect_uri scope state", "code_challenge code_challenge_method")
NOBODY = "00000000-0000-0000-0000-000000000000"
NEWER = ("PREPAYMENT", "OVERPAYMENT")  # categories of webhooks, August and September 2026
TOKEN = ("access_token", "token_type", "expires_in")  # RFC 6749 §5.1; Xero's pages say that it lasts 1,800 s


@dataclass
class Judge:
    """``found`` is what was wrong, each once; ``used`` are the known differences that were met."""

    found: list[str] = field(default_factory=list)
    used: Counter[str] = field(default_factory=Counter)
    operations: Counter[str] = field(default_factory=Counter)

    def hear(self, one: Exchange) -> None:
        for said in self.differences(one):
            if said not in self.found:
                self.found.append(said)

    def differences(self, one: Exchange) -> list[str]:
        """What is wrong with an exchange. A stranger's request that was refused was perhaps meant to be wrong."""
        judged = next((each for start, each in _JUDGES.items() if one.path.startswith(start)), None)
        ours = one.agent.startswith(OURS)
        if judged is None or (not ours and not 200 <= one.status < 400):
            return []
        name, said = judged(self, one)
        self.operations[name] += 1
        return sorted({f"{name}: {each}" for each in said})

    def accounting(self, one: Exchange) -> tuple[str, list[str]]:
        operation = _operation(one.method, one.path)
        if operation is None:
            return f"{one.method} {one.path}", ["no such operation"]
        said = list(operation.parameters(one.query))
        if operation.request is not None and one.sent:
            said += self.said(operation.name, "sent", operation.request, _listed(one.sent, operation))
        answer = operation.answers.get(one.status)
        if answer is not None and one.got:
            said += self.said(operation.name, "got", answer, json.loads(one.got))
        return operation.name, said

    def connections(self, one: Exchange) -> tuple[str, list[str]]:
        """The file spells the path with a capital: Xero's pages, and every client, do not."""
        schema = _json(published(IDENTITY)["paths"]["/Connections"]["get"]["responses"]["200"])
        name = f"{one.method} {one.path}"
        if schema is None or name != "GET /connections":
            return name, ["no such operation"]
        got = json.loads(one.got) if one.status == 200 and one.got else []
        return name, self.said(name, "got", check_of(IDENTITY, schema, sent=False), got)

    def token(self, one: Exchange) -> tuple[str, list[str]]:
        form = {name: values[0] for name, values in parse_qs(one.sent.decode("latin-1")).items()}
        grant, name = form.get("grant_type", ""), "POST /connect/token"
        said = [] if one.path == "/connect/token" and one.method == "POST" else ["no such operation"]
        said += [f"sent {each}" for each in _form(form, GRANTS.get(grant, ("", "")), grant or "no grant")]
        if grant == "refresh_token":
            said += self.said(name, "sent", named(IDENTITY, "RefreshToken", sent=True), form)
        if one.status == 200 and one.got:
            got = json.loads(one.got)
            said += self.said(name, "got", named(IDENTITY, "AccessToken", sent=False), got)
            said += [f"got AccessToken lacks {each}" for each in TOKEN if each not in got]
        return f"{name} {grant}".rstrip(), said

    def consent(self, one: Exchange) -> tuple[str, list[str]]:
        form = {name: values[0] for name, values in parse_qs(one.query).items()}
        return f"{one.method} {one.path}", [f"sent {each}" for each in _form(form, CONSENT, "consent")]

    def webhook(self, one: Exchange) -> tuple[str, list[str]]:
        """What the simulator posts. Events of credits say their type and status too; so do those of deposits, of which
        the file does not know yet."""
        body, found = json.loads(one.sent), {"CreditNoteWebhookEvent": [], "WebhookEvent": list[Any]()}
        for event in body["events"]:
            category = event.get("eventCategory")
            known = {name: value for name, value in event.items() if name != "data" or category not in NEWER}
            found["CreditNoteWebhookEvent" if category == "CREDITNOTE" else "WebhookEvent"].append(known)
        said: list[str] = []
        for schema, events in found.items():
            if events or (schema == "WebhookEvent" and not body["events"]):
                check = named(WEBHOOKS, schema, sent=False)
                said += self.said("webhook", "got", check, {**body, "events": events})
        return "webhook", said

    def said(self, name: str, way: str, check: Check, body: Any) -> list[str]:
        """What a check says, without what is known: of every operation, or of this one alone."""
        out: list[str] = []

        def say(words: str) -> None:
            known = next((each for each in (words, f"{name}: {way} {words}") if each in KNOWN), None)
            if known is not None:
                self.used[known] += 1
            else:
                out.append(f"{way} {words}")

        check(body, "", say)
        return out


_JUDGES: Mapping[str, Callable[[Judge, Exchange], tuple[str, list[str]]]] = {
    BASE: Judge.accounting, "/connections": Judge.connections, "/connect/": Judge.token, "/identity/": Judge.consent,
    "/webhooks": Judge.webhook,
}  # fmt: skip
PATHS = tuple(_JUDGES)


def _form(given: Mapping[str, str], table: tuple[str, str], what: str) -> Iterator[str]:
    needed, allowed = table[0].split(), table[1].split()
    yield from (f"{what}.{name} is in no specification" for name in given if name not in (*needed, *allowed))
    yield from (f"{what} lacks {name}" for name in needed if name not in given)


@dataclass(frozen=True)
class Operation:
    """One method of one path of the accounting file."""

    name: str
    known: frozenset[str]
    plural: str  # the list of its request, if that is one
    request: Check | None
    answers: Mapping[int, Check]

    def parameters(self, query: str) -> Iterator[str]:
        for name in (pair.partition("=")[0] for pair in query.split("&") if pair):
            if name not in self.known:
                yield f"no parameter {name}"


@cache
def _paths() -> Mapping[int, list[tuple[list[str], str, Mapping[str, Any]]]]:
    """By their number of parts."""
    out: dict[int, list[tuple[list[str], str, Mapping[str, Any]]]] = {}
    for template, item in published(ACCOUNTING)["paths"].items():
        parts = template.split("/")
        out.setdefault(len(parts), []).append((parts, template, item))
    return out


def _operation(method: str, path: str) -> Operation | None:
    wanted = path.removeprefix(BASE).split("/")
    for parts, template, item in _paths().get(len(wanted), ()):
        fits = all(part == name or part.startswith("{") for part, name in zip(parts, wanted, strict=True))
        if fits and method.lower() in item:
            return _compiled(method, template)
    return None


@cache
def _compiled(method: str, template: str) -> Operation:
    raw = published(ACCOUNTING)["paths"][template][method.lower()]
    known = frozenset(resolved(ACCOUNTING, each)["name"] for each in raw.get("parameters", ()))
    body = _json(raw.get("requestBody", {}))
    statuses = {int(each): answer for each, answer in raw["responses"].items() if each.isdigit()}
    answers = {status: _json(resolved(ACCOUNTING, answer)) for status, answer in statuses.items()}
    checks = {status: check_of(ACCOUNTING, schema, sent=False) for status, schema in answers.items() if schema}
    request = check_of(ACCOUNTING, body, sent=True) if body else None
    return Operation(f"{method} {template}", known, plural_of(ACCOUNTING, body or {}), request, checks)


def _listed(body: bytes, operation: Operation) -> Any:
    """Xero takes one object without a list around it; the file shows lists only. One whose id stands in the path is
    known by it."""
    value, plural = json.loads(body), operation.plural
    whole = {plural: [value]} if plural and isinstance(value, dict) and plural not in value else value
    if not plural or not operation.name.endswith("ID}") or not isinstance(whole.get(plural), list):
        return whole
    id_field = operation.name.rpartition("{")[2].removesuffix("}")
    return {**whole, plural: [{id_field: NOBODY, **row} if isinstance(row, dict) else row for row in whole[plural]]}


def _json(raw: Mapping[str, Any]) -> Mapping[str, Any] | None:
    schema: Mapping[str, Any] | None = raw.get("content", {}).get("application/json", {}).get("schema")
    return schema
