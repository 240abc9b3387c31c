"""Where a worker keeps its tables."""

from __future__ import annotations

from pathlib import Path

from connector.kafka.connection import Cluster
from connector.settings import Settings
from streams.worker import Worker


async def test_workers_of_one_host_have_folders_of_their_own(tmp_path: Path) -> None:
    """A frozen worker holds the locks of its stores: nobody could take over from it in the same folder."""
    settings, cluster = Settings(data_dir=str(tmp_path)), Cluster("127.0.0.1:1", partitions=4, replication=1)
    folders = [Worker(settings, name)._engine(cluster).engine.datadir for name in ("worker-0", "worker-1")]
    assert len(set(folders)) == 2
    assert all(folder.is_relative_to(tmp_path) for folder in folders)
