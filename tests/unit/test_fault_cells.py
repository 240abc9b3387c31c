"""The real-time part of the fault matrix: what is drawn, who shares a connection, what counts as wrong."""

from __future__ import annotations

from decimal import Decimal

from benchmarks.fault_cells.kinds import DELAYS, FAULTS, KINDS, Books, Cell, differences, drawn, lanes
from connector.core.mapping.parse import parse

BILL = next(kind for kind in KINDS if kind.name == "bill")
CELL = Cell(7, BILL, "cut-after-commit", 1)
ROW = {
    "InvoiceNumber": "CELL-007", "Type": "ACCPAY", "Status": "AUTHORISED", "SubTotal": Decimal("10.07"),
    "Total": Decimal("10.07"),
}  # fmt: skip


def test_a_seed_draws_the_same_twentieth_and_another_seed_another() -> None:
    assert len(drawn(1)) == 26  # 5 % of 512, and not less
    assert drawn(1) == drawn(1)
    assert [one.name for one in drawn(1)] != [one.name for one in drawn(2)]
    assert len({one.name for one in drawn(3)}) == 26
    seen = {(one.fault, one.delay) for seed in range(40) for one in drawn(seed)}
    assert seen == {(fault, delay) for fault in FAULTS for delay in DELAYS}


def test_a_fault_can_strike_no_other_cell() -> None:
    for lane in lanes(drawn(5)):
        assert len({one.kind.plural for one in lane}) == len(lane)
    assert sorted(one.number for lane in lanes(drawn(5)) for one in lane) == list(range(1, 27))


def test_every_kind_has_a_mapping_that_can_be_read() -> None:
    books = Books(*("0b0b0b0b-0000-4000-8000-000000000001",) * 4)
    for kind in KINDS:
        assert parse(kind.mapping("cell", "CELL-001", books), "cell.yaml").target.entity == kind.entity


def test_two_documents_none_or_another_are_wrong() -> None:
    assert differences(CELL, [ROW, {**ROW, "InvoiceNumber": "other"}]) == []
    assert differences(CELL, [ROW, {**ROW, "Status": "VOIDED"}]) == ["2 documents"]  # a voided twin is one too
    assert differences(CELL, []) == ["0 documents"]
    assert differences(CELL, [{**ROW, "Status": "DRAFT"}]) == ["Status is DRAFT, not AUTHORISED"]
    assert differences(CELL, [{**ROW, "Total": 12.5}]) == ["Total is 12.5, not 10.07"]
