"""The guide's pictures are those that the generator draws, and each is shown in it."""

from __future__ import annotations

import re
from pathlib import Path
from runpy import run_path

import pytest

ROOT = Path(__file__).parents[2]
GENERATOR = run_path(str(ROOT / "deploy" / "generate" / "guide_pictures.py"))
SHOWN = set(re.findall(r"\(pictures/(\w+)\.svg\)", (ROOT / "docs" / "salesforce.md").read_text("utf-8")))


@pytest.mark.parametrize("name", sorted(GENERATOR["PICTURES"]))
def test_a_picture_is_drawn_from_its_words_and_shown(name: str) -> None:
    title, rows = GENERATOR["PICTURES"][name]
    file = (ROOT / "docs" / "pictures" / f"{name}.svg").read_text("utf-8")
    assert file == GENERATOR["drawn"](title, rows)
    assert f">{title}</title>" in file
    assert name in SHOWN


def test_the_channel_of_the_picture_is_the_package_s() -> None:
    folder = ROOT / "salesforce-package" / "force-app" / "main" / "default" / "platformEventChannelMembers"
    chosen = {re.findall(r"<selectedEntity>(\w+)ChangeEvent<", file.read_text("utf-8"))[0] for file in folder.iterdir()}
    _, rows = GENERATOR["PICTURES"]["channel"]
    drawn = {name.removesuffix("__c") for name, value in rows if value.startswith("[x]")}
    assert drawn == {name.removesuffix("__") for name in chosen}
