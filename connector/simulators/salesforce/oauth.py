"""The token endpoint: client credentials. As on the platform the answer names no lifetime."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import Response

from connector.simulators.salesforce.org import Org
from connector.simulators.salesforce.wire import answer


async def token(org: Org, request: Request) -> Response:
    """POST /services/oauth2/token with a form body; credentials in it or as Basic."""
    form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        return _wrong("unsupported_grant_type", "this simulator supports client_credentials only")
    given = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
    if not _equal(given[0], org.settings.client_id):
        return _wrong("invalid_client_id", "client identifier invalid")
    if not _equal(given[1], org.settings.client_secret):
        return _wrong("invalid_client", "invalid client credentials")
    base = str(request.base_url).rstrip("/")
    issued = str(int(org.clock.now().timestamp() * 1000))
    identity = f"{base}/id/{org.organisation}/{org.user}"
    signed = hmac.digest(org.settings.client_secret.encode(), (identity + issued).encode(), hashlib.sha256)
    return answer(
        {
            "access_token": org.issue_token(), "signature": base64.b64encode(signed).decode(), "scope": "api",
            "instance_url": base, "id": identity, "token_type": "Bearer", "issued_at": issued,
            "api_instance_url": base,
        }
    )  # fmt: skip


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(user), unquote_plus(password)


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _wrong(error: str, description: str) -> Response:
    return answer({"error": error, "error_description": description}, 400)
