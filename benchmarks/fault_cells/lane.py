"""One connection of the run: its pair of simulators, the mappings of its cells, and what is done to each cell."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from benchmarks.fault_cells.kinds import FAULTS, Books, Cell, differences
from connector.cli.stage import Actor, until
from connector.core.values import Value
from connector.errors import Unavailable
from connector.store.projection import Projection
from connector.store.rows import Count

BASE = "/api.xro/2.0"
STRUCK_SECONDS = 120
SETTLED_SECONDS = 1500  # 10 min of absence, 7 min of quiet, two probes half a minute apart, and as much again
REST_SECONDS = 45  # a second document would come of a second probe


@dataclass(frozen=True, slots=True)
class Result:
    """One line of the report. ``calls`` are the creates that were sent, ``seconds`` until the link was clean."""

    cell: str
    kind: str
    fault: str
    delay: int
    ok: bool
    seconds: float
    calls: int
    problems: tuple[str, ...]

    def line(self) -> Mapping[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Lane:
    """``name`` is the connection's."""

    name: str
    cells: Sequence[Cell]
    salesforce: Actor
    xero: Actor
    projection: Projection

    async def prepare(self, folder: Path) -> None:
        """A company with something to pay, and one mapping a cell."""
        contact = await self._id("Contact", "Name", "Boom FM")
        bank, other = await self._id("Account", "Code", "090"), await self._id("Account", "Code", "091")
        line: dict[str, Value] = {
            "Description": "x", "Quantity": Decimal(1), "UnitAmount": Decimal(1_000_000), "AccountCode": "200",
            "TaxType": "NONE",
        }  # fmt: skip
        invoice = await self.xero.edit("Invoice", {
            "Type": "ACCREC", "InvoiceNumber": "OWED", "Contact": {"ContactID": contact}, "LineItems": [line],
            "Date": "2026-10-01", "DueDate": "2026-10-31", "Status": "AUTHORISED"})  # fmt: skip
        books = Books(contact, bank, other, invoice)
        await asyncio.to_thread(folder.mkdir, parents=True)
        for cell in self.cells:
            text = cell.kind.mapping(self.mapping(cell), cell.mark, books)
            (folder / f"{self.mapping(cell)}.yaml").write_text(text, "utf-8")

    async def run(self, cell: Cell) -> Result:
        """Make the document, cut its call, keep Xero away for the delay, wait until nothing moves, and look."""
        kind, options = FAULTS[cell.fault]
        await self._arm(kind, "PUT", cell, 1, options)
        gates = [await self._arm("cut-before-commit", "PUT", cell, None)]  # whatever comes after it
        begun = time.monotonic()
        await self._expense(cell)
        await until(f"the call of {cell.name} is struck", lambda: self._writes(cell), STRUCK_SECONDS)
        gates += [await self._arm("cut-before-commit", method, cell, None) for method in ("GET", "POST")]
        await asyncio.sleep(cell.delay)
        for gate in gates:
            await self.xero.call("DELETE", f"/__sim/faults/{gate}")
        problems = await self._settled(cell)
        seconds = round(time.monotonic() - begun, 1)
        await asyncio.sleep(REST_SECONDS)
        if not problems and not await self._clean(cell):
            problems = ("it moved again",)
        problems += tuple(differences(cell, await self.xero.objects(cell.kind.entity)))
        calls = await self._writes(cell)
        return Result(
            cell.mark, cell.kind.name, cell.fault, cell.delay, not problems, seconds, calls, problems
        )  # fmt: skip

    async def _settled(self, cell: Cell) -> tuple[str, ...]:
        try:
            await until(f"{cell.name} is clean", lambda: self._clean(cell), SETTLED_SECONDS)
        except Unavailable:
            states = [f"{one.state} {one.number}" for one in await self._counts(cell)]
            return (f"not clean: {', '.join(states) or 'no link'}",)
        return ()

    async def _clean(self, cell: Cell) -> bool:
        return [(one.state, one.number) for one in await self._counts(cell)] == [("clean", 1)]

    async def _counts(self, cell: Cell) -> list[Count]:
        found = await self.projection.counts(self.name)
        return [one for one in found if one.mapping == self.mapping(cell)]

    async def _writes(self, cell: Cell) -> int:
        """How many creates have reached the address."""
        path = f"{BASE}/{cell.kind.plural}"
        return sum(row["method"] == "PUT" and row["path"] == path for row in await self.xero.requests())

    async def _arm(
        self, kind: str, method: str, cell: Cell, count: int | None, options: Mapping[str, int] | None = None
    ) -> int:
        body: dict[str, Value] = {
            "kind": kind, "match": {"method": method, "path": f"{BASE}/{cell.kind.plural}"},
            "count": None if count is None else Decimal(count),
            "options": {name: Decimal(value) for name, value in (options or {}).items()},
        }  # fmt: skip
        return int((await self.xero.call("POST", "/__sim/faults", body))["id"])

    async def _expense(self, cell: Cell) -> None:
        await self.salesforce.edit("Expense__c", {
            "Name": f"Expense {cell.number}", "Number__c": cell.mark, "Amount__c": cell.amount,
            "Date__c": "2026-11-02", "Status__c": "Approved"})  # fmt: skip

    async def _id(self, entity: str, name: str, value: str) -> str:
        return next(str(row[f"{entity}ID"]) for row in await self.xero.objects(entity) if row.get(name) == value)

    @staticmethod
    def mapping(cell: Cell) -> str:
        return f"cell-{cell.number:03}"
