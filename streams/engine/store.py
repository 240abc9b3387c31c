"""RocksDB as the tables use it: all partitions of a process share one cache and one budget for what is not on disk yet.

Faust gives each partition of each table a cache of 2 GB and 192 MB of write buffers: with 48 partitions and four tables
there is no machine for that.
"""

from __future__ import annotations

import shutil
import sys
from functools import cache
from typing import Any

from faust.stores.rocksdb import Store as FaustStore
from rocksdict import (
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    Options,
    Rdict,
    WriteBufferManager,
    WriteOptions,
)

from connector.errors import EngineStop

CACHE_BYTES = 64 * 2**20
UNWRITTEN_BYTES = 96 * 2**20  # of all tables together
_MEMTABLE_BYTES = 16 * 2**20
_FILE_BYTES = 64 * 2**20
_OPEN_FILES = 256  # of one partition of one table: each keeps its index and filter in memory
_BLOOM_BITS = 10
_BLOCK_BYTES = 8 * 2**10


@cache
def _shared() -> tuple[Cache, WriteBufferManager]:
    return Cache(CACHE_BYTES), WriteBufferManager(UNWRITTEN_BYTES, allow_stall=False)


@cache
def unlogged() -> WriteOptions:
    """For what can be read from the changelog again: lost by a crash unless it was flushed, with all after it."""
    options = WriteOptions()
    setattr(options, "disable_wal", True)  # noqa: B010  a property; its stub says method
    return options


def _options() -> Options:
    blocks = BlockBasedOptions()
    blocks.set_block_cache(_shared()[0])
    blocks.set_block_size(_BLOCK_BYTES)
    # Indexes and filters (2 MB for a million keys) stay outside the cache: a filter is larger than the parts that the
    # cache is divided into, and would be read from disk again for nearly every look.
    blocks.set_cache_index_and_filter_blocks(False)
    blocks.set_bloom_filter(_BLOOM_BITS, block_based=False)
    options = Options(raw_mode=True)
    options.create_if_missing(create_if_missing=True)
    options.set_block_based_table_factory(blocks)
    options.set_write_buffer_manager(_shared()[1])
    options.set_write_buffer_size(_MEMTABLE_BYTES)
    options.set_target_file_size_base(_FILE_BYTES)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_max_open_files(_OPEN_FILES)
    options.set_max_background_jobs(2)
    # Most keys of a recovery are new: that nothing stands there must cost nothing.
    options.set_memtable_prefix_bloom_ratio(0.1)
    options.set_memtable_whole_key_filtering(whole_key_filter=True)
    # Filling a table writes faster than one core compacts; to wait for it would stop heartbeats and loops.
    options.set_level_zero_slowdown_writes_trigger(64)
    options.set_level_zero_stop_writes_trigger(128)
    options.set_keep_log_file_num(2)
    options.set_max_log_file_size(2**20)
    return options


class Store(FaustStore):  # type: ignore[misc]
    """One database per partition of a table, opened with the shared budgets."""

    def _open_for_partition(self, partition: int) -> Any:
        """What cannot be opened because it is corrupt is thrown away, and the next start fills it from Kafka."""
        path, opened = self.partition_path(partition), None
        try:
            opened = Rdict(str(path), options=_options())
        finally:
            error = sys.exc_info()[1]
            if opened is None and str(error).startswith("Corruption"):
                shutil.rmtree(path, ignore_errors=True)
                reason = f"Table {self.table_name}, partition {partition} was corrupt and is thrown away: {error}."
                self.app.stop_signal(EngineStop("table.corrupt", reason))
        return opened
