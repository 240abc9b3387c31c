"""What the write loop may take: each link once, parents first, freed by the fold of our own report."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from connector.core.identity import LinkId
from connector.core.link import Act, Outputs, Todo, new_link
from connector.core.link_state import Attempt, Life, Link
from connector.core.records import Side
from streams.ready import Ready

NOTHING = Outputs(None, (), None, {}, None)


def link(name: str, entity: str = "Contact") -> Link:
    return replace(new_link(LinkId("c", "m", f"salesforce:{name}", "t")), entity=entity)


def wants(act: Act = Act.CREATE) -> Outputs:
    return Outputs(Todo(act, Side.XERO), (), None, {}, None)


def taken(ready: Ready) -> list[str]:
    return [job.link.id.source for job in ready.jobs(Side.XERO)]


def test_parents_come_first() -> None:
    ready = Ready()
    ready.absorb(link("invoice", "Invoice"), wants(), 1)
    ready.absorb(link("contact"), wants(), 2)
    assert taken(ready) == ["contact", "invoice"]


def test_a_held_link_is_not_given_out_twice() -> None:
    ready, one = Ready(), link("a")
    ready.absorb(one, wants(), 1)
    ready.hold([one.id.key])
    ready.absorb(one, wants(), 2)  # another event of the link is folded meanwhile
    assert taken(ready) == []


def test_the_fold_of_our_report_frees_the_link() -> None:
    ready, one = Ready(), link("a")
    ready.absorb(one, wants(), 1)
    ready.hold([one.id.key])
    ready.reported({one.id.key: 5})
    ready.absorb(one, wants(), 4)
    assert taken(ready) == []
    ready.absorb(one, wants(), 5)
    assert taken(ready) == ["a"]


def test_a_report_that_was_folded_before_its_offset_was_known_frees_too() -> None:
    ready, one = Ready(), link("a")
    ready.absorb(one, wants(), 1)
    ready.hold([one.id.key])
    ready.absorb(one, wants(), 5)  # settle was quicker than the producer's answer
    ready.reported({one.id.key: 5})
    assert taken(ready) == ["a"]


def test_a_look_up_waits_for_a_birth_from_the_moment_it_is_taken() -> None:
    ready, born, looking = Ready(), link("a"), link("b")
    ready.absorb(born, wants(Act.CREATE), 1)
    ready.absorb(looking, wants(Act.LOOK), 2)
    ready.hold([born.id.key])
    assert taken(ready) == []
    ready.release([born.id.key])  # it came to nothing: nothing was announced
    assert taken(ready) == ["b", "a"]


def test_a_birth_waits_for_a_look_up_that_is_under_way() -> None:
    ready, born, looking = Ready(), link("a"), link("b")
    ready.absorb(looking, wants(Act.LOOK), 1)
    ready.hold([looking.id.key])
    ready.absorb(born, wants(Act.CREATE), 2)
    assert taken(ready) == []
    ready.reported({looking.id.key: 3})
    ready.absorb(looking, Outputs(None, (), None, {}, None), 3)
    assert taken(ready) == ["a"]


def test_a_birth_whose_end_was_folded_before_its_offset_was_known_holds_up_no_look_up() -> None:
    ready, born, looking = Ready(), link("a"), link("b")
    at = datetime(2026, 3, 1, tzinfo=UTC)
    ready.absorb(born, wants(Act.CREATE), 1)
    ready.absorb(looking, wants(Act.LOOK), 2)
    ready.hold([born.id.key])
    ready.absorb(replace(born, attempt=Attempt("call", Side.XERO, "create", {}, at, at, at)), NOTHING, 3)
    assert taken(ready) == []
    ready.absorb(replace(born, life=Life.LIVE), NOTHING, 4)  # settle was quicker than the producer's answer
    assert taken(ready) == []
    ready.reported({born.id.key: 4})
    assert taken(ready) == ["b"]


def test_a_look_up_waits_for_a_birth_whose_answer_was_lost() -> None:
    ready, born, looking = Ready(), link("a"), link("b")
    at = datetime(2026, 3, 1, tzinfo=UTC)
    ready.absorb(born, wants(Act.CREATE), 1)
    ready.absorb(looking, wants(Act.LOOK), 2)
    ready.hold([born.id.key])
    ready.reported({born.id.key: 3})
    lost = Attempt("call", Side.XERO, "create", {}, at, at, at, unknown=True)
    ready.absorb(replace(born, attempt=lost), wants(Act.PROBE), 3)
    assert taken(ready) == ["a"], "its probe"
    ready.absorb(replace(born, life=Life.LIVE), NOTHING, 4)
    assert taken(ready) == ["b"]
