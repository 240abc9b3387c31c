"""Draws the pictures of docs/salesforce.md: the Setup pages as they matter here, as plain SVG.

``python deploy/generate/guide_pictures.py`` writes ``docs/pictures/*.svg``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, ROW, LEFT, FIELD = 720, 30, 24, 300
INK, SOFT, EDGE, ACCENT = "#1d2b3a", "#5b6b7b", "#c9d2dc", "#0b5cab"
TICKED, FREE = "[x] ", "[ ] "

Row = tuple[str, str]  # what stands at the left, what is chosen at the right; no right: a heading

PICTURES: dict[str, tuple[str, tuple[Row, ...]]] = {
    "app": ("Setup › External Client App Manager › New External Client App", (
        ("Basic information", ""),
        ("External Client App Name", "Twinledger"),
        ("Distribution State", "Local"),
        ("API (Enable OAuth Settings)", ""),
        ("Enable OAuth", "[x] "),
        ("Callback URL", "http://localhost:8467/callback"),
        ("OAuth Scopes", "Manage user data via APIs (api)"),
        ("", "Perform requests at any time (refresh_token)"),
        ("Flow enablement: one of the two", ""),
        ("Enable JWT Bearer Flow", "[x] and upload the certificate of your key"),
        ("Enable Client Credentials Flow", "[ ] "),
        ("Security", ""),
        ("Issue JWT-based access tokens", "[ ] leave it off"),
    )),
    "policies": ("Setup › External Client App Manager › Twinledger › Policies", (
        ("OAuth policies", ""),
        ("Permitted Users", "Admin approved users are pre-authorized"),
        ("App policies", ""),
        ("Selected Permission Sets", "Twinledger"),
        ("Client credentials flow only", ""),
        ("Run As (Username)", "integration@acme.example"),
    )),
    "permissions": ("Setup › Permission Sets › Twinledger › Manage Assignments", (
        ("Who the connector is", ""),
        ("Integration User", "integration@acme.example"),
        ("User License", "Salesforce Integration"),
        ("What it may read and write", ""),
        ("Account, Opportunity, Product2, …", "the fields that the mappings name"),
        ("Setup › Permission Sets › Twinledger for People", ""),
        ("Everybody who mends records", "reads the rows of sync states, ticks Retry"),
    )),
    "channel": ("Setup › Change Data Capture: what the deploy has selected", (
        ("Channel", ""),
        ("TwinledgerSync__chn", "5 of 5 objects"),
        ("Members", ""),
        ("Account", "[x] "),
        ("Opportunity", "[x] "),
        ("OpportunityLineItem", "[x] "),
        ("Product2", "[x] "),
        ("Expense__c", "[x] an example of an object of your own"),
    )),
    "record": ("The page of an opportunity, with the component Twinledger Sync State", (
        ("Xero", ""),
        ("Failed", "opportunity-to-invoice"),
        ("Reason", "Account code must be specified"),
        ("Remedy", "Name an account or an item with one."),
        ("Last success", "never"),
        ("", "( Retry )"),
    )),
}  # fmt: skip


def text(x: int, y: int, words: str, *, fill: str = INK, weight: str = "normal", size: int = 13) -> str:
    return f'<text x="{x}" y="{y}" fill="{fill}" font-weight="{weight}" font-size="{size}">{escape(words)}</text>'


def box(y: int, words: str) -> Iterator[str]:
    """A tick box and what is said beside it."""
    yield f'<rect x="{FIELD}" y="{y - 13}" width="15" height="15" rx="3" fill="#fff" stroke="{SOFT}"/>'
    if words.startswith(TICKED):
        yield f'<path d="M{FIELD + 3} {y - 6}l3.5 4 6-8" fill="none" stroke="{ACCENT}" stroke-width="2"/>'
    yield text(FIELD + 24, y, words[4:], fill=SOFT)


def chosen(y: int, words: str) -> Iterator[str]:
    if words.startswith((TICKED, FREE)):
        yield from box(y, words)
    elif words.startswith("("):
        yield f'<rect x="{FIELD}" y="{y - 18}" width="84" height="26" rx="6" fill="#fff" stroke="{ACCENT}"/>'
        yield text(FIELD + 24, y, words.strip("( )"), fill=ACCENT)
    else:
        width = WIDTH - LEFT - FIELD
        yield f'<rect x="{FIELD}" y="{y - 18}" width="{width}" height="25" rx="5" fill="#fff" stroke="{EDGE}"/>'
        yield text(FIELD + 10, y, words)


def drawn(title: str, rows: Iterable[Row]) -> str:
    parts, y = [text(LEFT, 27, title, fill="#fff", weight="bold", size=14)], 72
    for name, value in rows:
        if value:
            parts += [text(LEFT, y, name, fill=SOFT), *chosen(y, value)]
        else:
            line = f'<path d="M{LEFT} {y + 8}H{WIDTH - LEFT}" stroke="{EDGE}"/>'
            parts += [text(LEFT, y, name, weight="bold"), line]
        y += ROW
    height = y - 6
    frame = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{height}" rx="8" fill="#f4f6f9" stroke="{EDGE}"/>',
        f'<path d="M0 8a8 8 0 0 1 8-8h{WIDTH - 16}a8 8 0 0 1 8 8v34H0z" fill="{ACCENT}"/>',
    )
    return "\n".join((*frame, *parts, "</svg>", ""))


def main() -> None:
    folder = Path(__file__).resolve().parents[2] / "docs" / "pictures"
    folder.mkdir(exist_ok=True)
    for name, (title, rows) in PICTURES.items():
        (folder / f"{name}.svg").write_text(drawn(title, rows), "utf-8")


if __name__ == "__main__":
    main()
