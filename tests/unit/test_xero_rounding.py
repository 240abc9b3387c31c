"""Totals against the arithmetic of ``benchmarks.rounding``, which runs a hundred thousand documents."""

from __future__ import annotations

from fractions import Fraction

import pytest

from benchmarks.rounding import MODES, cents, differing, expected


@pytest.mark.parametrize("mode", MODES)
def test_generated_documents_agree_to_the_cent(mode: str) -> None:
    assert differing(mode, 1_000) == []


def test_the_guides_own_figures() -> None:
    lines = [{"Quantity": "1", "UnitAmount": unit, "TaxType": "R15"} for unit in ("25.06", "25.61", "25.63")]
    assert expected(lines, "Exclusive") == (7630, 1144, 8774)
    assert cents(Fraction("1.045")) == 105  # recorded
    assert cents(Fraction("-1.045")) == -105
