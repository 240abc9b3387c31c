"""``twinledger run`` keeps its workers alive, and gives up only on what a restart cannot mend."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from connector.cli.run import Supervisor

pytestmark = pytest.mark.timeout(90)
NOWHERE = "127.0.0.1:1"  # nobody listens there


@dataclass(slots=True)
class Counted(Supervisor):
    """Counts the lives of its workers and ends after the second."""

    codes: tuple[int, ...] = ()

    async def _life(self, number: int) -> int:
        code = await Supervisor._life(self, number)
        self.codes = (*self.codes, code)
        if len(self.codes) == 2:
            self.stopping.set()
        return code


def configuration(folder: Path, **more: object) -> Path:
    config = folder / "twinledger.yaml"
    settings = {"kafka": {"bootstrap_servers": NOWHERE}, "data_dir": str(folder / "data"), **more}
    config.write_text(yaml.safe_dump(settings), "utf-8")
    return config


async def test_kafka_that_is_away_is_waited_for(tmp_path: Path) -> None:
    supervisor = Counted(configuration(tmp_path))
    async with asyncio.timeout(60):
        assert await supervisor.run() == 0
    assert supervisor.codes == (69, 69)


async def test_a_wrong_configuration_ends_the_run(tmp_path: Path) -> None:
    supervisor = Counted(configuration(tmp_path, unknown=1))
    async with asyncio.timeout(60):
        assert await supervisor.run() == 78
    assert supervisor.codes == (78,)


def test_workers_of_one_host_have_web_ports_of_their_own(tmp_path: Path) -> None:
    fixed = Supervisor(tmp_path, 2, 8466)
    assert [fixed.told(number) for number in (0, 1)] == [{}, {"TWINLEDGER_WEB__PORT": "8467"}]
    assert Supervisor(tmp_path, 2, 0).told(1) == {}
