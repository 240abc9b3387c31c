"""Composite and composite graph: several calls in one, later ones naming what earlier ones made (``@{made.id}``).

Source: REST API Developer Guide, "Composite", "Composite Graph" and "Composite Graph Limits". Queries and collections
inside a composite call are not played.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from connector.simulators.faults import HALF_BATCH
from connector.simulators.salesforce.nodes import Done, Nodes, Wanted, failed
from connector.simulators.salesforce.rest import Rest, body_of
from connector.simulators.salesforce.store import Transaction
from connector.simulators.salesforce.values import Refusal
from connector.simulators.salesforce.wire import answer

MOST_SUBREQUESTS = 25
MOST_GRAPHS = 75
MOST_NODES = 500  # of a graph, and of a whole call
MOST_KINDS = 15  # of nodes that differ in version, method or object
DEEPEST = 15
MOST_FAILED = 14  # graphs; what comes after them is not worked on
_METHODS = ("GET", "POST", "PATCH", "DELETE")
_REFERENCE = re.compile(r"@\{([A-Za-z0-9_]+)\.([A-Za-z0-9_.\[\]]+)\}")
_REFERENCE_ID = re.compile(r"[A-Za-z0-9_]+")
_GRAPH_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,39}")
_URL = re.compile(r"/services/data/v(\d+\.\d)/sobjects/([A-Za-z0-9_]+)(?:/(?:([^/]+)(?:/(.+))?)?)?")
_OUTER, _NODE = ("allOrNone", "collateSubrequests", "compositeRequest"), ("method", "url", "referenceId", "body")
ROLLED_BACK = Refusal(
    "PROCESSING_HALTED", "The transaction was rolled back since another operation in the same transaction failed."
)
HALTED = Refusal("PROCESSING_HALTED", "Processing was halted since too many graphs of the request failed.")
Json: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Node:
    """One subrequest as it was asked, its references not yet filled in."""

    method: str
    url: str
    reference: str
    body: Json
    names: frozenset[str] = field(default_factory=frozenset)

    @property
    def kind(self) -> tuple[str, str, str]:
        """Version, method and object: what makes nodes different."""
        found = _URL.fullmatch(urlsplit(self.url).path)
        return (found[1], self.method, found[2].lower()) if found else ("", self.method, self.url)


class Composite:
    """Both resources over one org."""

    def __init__(self, rest: Rest) -> None:
        self.rest, self.org = rest, rest.org
        self.nodes = Nodes(rest.org)

    async def composite(self, request: Request) -> Response:
        """Up to 25 subrequests in turn; with allOrNone all or none."""
        body = await body_of(request)
        _only(body, _OUTER, "composite")
        strict = body.get("allOrNone") is True
        nodes = _nodes(body.get("compositeRequest"), MOST_SUBREQUESTS)
        tx = self.org.store.transaction(self.rest.caller(request, collection=True))
        done = self._run(tx, nodes, strict=strict)
        if strict and any(one.refused for one in done):
            tx.rollback()
            done = _rolled_back(done)
        tx.commit()
        return answer({"compositeResponse": _told(nodes, done)})

    async def graph(self, request: Request) -> Response:
        """Up to 75 graphs of together 500 nodes, each a transaction of its own."""
        body = await body_of(request)
        _only(body, ("graphs",), "composite/graph")
        graphs = _graphs(body.get("graphs"))
        out: list[Json] = []
        worked = graphs[: len(graphs) // 2] if request.scope.get(HALF_BATCH) else graphs
        for name, nodes in worked:
            too_many = sum(not one["isSuccessful"] for one in out) > MOST_FAILED
            done = [failed(HALTED)] * len(nodes) if too_many else self._graph(request, nodes)
            told = {"compositeResponse": _told(nodes, done)}
            good = not any(one.refused for one in done)
            out.append({"graphId": name, "graphResponse": told, "isSuccessful": good})
        return answer({"graphs": out})

    def _graph(self, request: Request, nodes: Sequence[Node]) -> list[Done]:
        tx = self.org.store.transaction(self.rest.caller(request, collection=True))
        done = self._run(tx, nodes, strict=True)
        if any(one.refused for one in done):
            tx.rollback()
            return _rolled_back(done)
        tx.commit()
        return done

    def _run(self, tx: Transaction, nodes: Sequence[Node], *, strict: bool) -> list[Done]:
        """One after the other. When all stand or fall together, nothing is tried after a failure."""
        answers: dict[str, Done] = {}
        out: list[Done] = []
        for node in nodes:
            savepoint = tx.savepoint()
            try:
                if strict and any(one.refused for one in out):
                    raise ROLLED_BACK
                done = self.nodes.run(tx, _wanted(node, answers))
            except Refusal as wrong:
                tx.rollback(savepoint)
                done = failed(wrong)
            answers[node.reference] = done
            out.append(done)
        return out


def _rolled_back(done: Sequence[Done]) -> list[Done]:
    return [one if one.refused else failed(ROLLED_BACK) for one in done]


def _told(nodes: Sequence[Node], done: Sequence[Done]) -> list[Json]:
    return [
        {
            "body": one.body,
            "httpHeaders": dict(one.headers),
            "httpStatusCode": one.status,
            "referenceId": node.reference,
        }
        for node, one in zip(nodes, done, strict=True)
    ]


# --- what is asked ---------------------------------------------------------------------------------------------------


def _only(raw: Mapping[str, Json], known: Sequence[str], what: str) -> None:
    strange = sorted(set(raw) - set(known))
    if strange:
        raise Refusal("JSON_PARSER_ERROR", f'Unrecognized field "{strange[0]}" in {what}, not marked as ignorable')


def _nodes(raw: Json, most: int) -> tuple[Node, ...]:
    if not isinstance(raw, list) or not raw or not all(isinstance(one, dict) for one in raw):
        raise Refusal("JSON_PARSER_ERROR", "compositeRequest must be a list of subrequests")
    if len(raw) > most:
        raise Refusal("LIMIT_EXCEEDED", f"The request has {len(raw)} subrequests; the limit is {most}")
    nodes = tuple(_node(one) for one in raw)
    names = [node.reference for node in nodes]
    if len(set(names)) != len(names):
        raise Refusal("INVALID_INPUT", "Duplicate referenceId in the request")
    return nodes


def _node(raw: Mapping[str, Json]) -> Node:
    _only(raw, _NODE, "a subrequest")
    method, url, reference = (raw.get(name) for name in ("method", "url", "referenceId"))
    if not isinstance(method, str) or method not in _METHODS:
        raise Refusal("INVALID_INPUT", f"method {method} is not one of {', '.join(_METHODS)}")
    if not isinstance(url, str) or not url.startswith("/services/data/"):
        raise Refusal("INVALID_INPUT", f"url {url} is no resource of this API")
    if not isinstance(reference, str) or not _REFERENCE_ID.fullmatch(reference):
        raise Refusal("INVALID_INPUT", f"Provided referenceId ('{reference}') must only contain letters, numbers, and "
                      "underscores")  # fmt: skip
    names = frozenset(found[1] for text in [url, *_texts(raw.get("body"))] for found in _REFERENCE.finditer(text))
    return Node(method, url, reference, raw.get("body"), names)


def _graphs(raw: Json) -> list[tuple[str, tuple[Node, ...]]]:
    if not isinstance(raw, list) or not raw or not all(isinstance(one, dict) for one in raw):
        raise Refusal("JSON_PARSER_ERROR", "graphs must be a list of graphs")
    if len(raw) > MOST_GRAPHS:
        raise Refusal("LIMIT_EXCEEDED", f"The request has {len(raw)} graphs; the limit is {MOST_GRAPHS}")
    out: list[tuple[str, tuple[Node, ...]]] = []
    for one in raw:
        _only(one, ("graphId", "compositeRequest"), "a graph")
        name = one.get("graphId")
        if not isinstance(name, str) or not _GRAPH_ID.fullmatch(name) or name in [known for known, _ in out]:
            raise Refusal("INVALID_INPUT", f"graphId {name} is not unique, alphanumeric and at most 40 characters")
        nodes = _nodes(one.get("compositeRequest"), MOST_NODES)
        if _depth(nodes) > DEEPEST:
            raise Refusal("LIMIT_EXCEEDED", f"The graph {name} is deeper than {DEEPEST}")
        out.append((name, nodes))
    every = [node for _, nodes in out for node in nodes]
    if len(every) > MOST_NODES:
        raise Refusal("LIMIT_EXCEEDED", f"The request has {len(every)} nodes; the limit is {MOST_NODES}")
    if len({node.kind for node in every}) > MOST_KINDS:
        raise Refusal("LIMIT_EXCEEDED", f"The request has more than {MOST_KINDS} different nodes")
    return out


def _depth(nodes: Sequence[Node]) -> int:
    """How long the longest chain of references is. A node sees only those before it."""
    depth: dict[str, int] = {}
    for node in nodes:
        depth[node.reference] = 1 + max((depth.get(name, 0) for name in node.names), default=0)
    return max(depth.values(), default=0)


# --- references ------------------------------------------------------------------------------------------------------


def _texts(raw: Json) -> list[str]:
    if isinstance(raw, str):
        return [raw]
    parts = raw.values() if isinstance(raw, dict) else raw if isinstance(raw, list) else ()
    return [text for part in parts for text in _texts(part)]


def _wanted(node: Node, answers: Mapping[str, Done]) -> Wanted:
    url = urlsplit(str(_filled(node.url, answers)))
    found = _URL.fullmatch(url.path)
    if found is None or url.query:
        message = f"{node.method} {node.url} is not supported in a composite call by this simulator"
        raise Refusal("NOT_SUPPORTED_BY_SIMULATOR", message)
    body = _filled(node.body, answers)
    parts = [None if part is None else unquote(part) for part in found.groups()]
    return Wanted(node.method, str(parts[0]), str(parts[1]), parts[2], parts[3], body)


def _filled(raw: Json, answers: Mapping[str, Done]) -> Json:
    if isinstance(raw, str):
        return _REFERENCE.sub(lambda found: _value(found, answers), raw)
    if isinstance(raw, dict):
        return {name: _filled(part, answers) for name, part in raw.items()}
    return [_filled(part, answers) for part in raw] if isinstance(raw, list) else raw


def _value(found: re.Match[str], answers: Mapping[str, Done]) -> str:
    done = answers.get(found[1])
    at: Json = done.body if done is not None and not done.refused else None
    for name in found[2].split("."):
        at = at.get(name) if isinstance(at, dict) else None
    if at is None:
        message = f"Invalid reference specified. No value for {found[1]}.{found[2]} found in {found[1]}"
        raise Refusal("PROCESSING_HALTED", message)
    return str(at)
