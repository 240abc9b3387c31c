"""The strict core: Faust's agents and tables on a consumer, producer and recovery that lose nothing.

What Faust 0.15.3 on aiokafka 0.14.0 does (measured with two workers under kills and pauses), and what stands here:

- Sources flow before they are sought, then queues are cleared: ``recovery.Recovery._open`` seeks, clears, opens, and
  ``ledger.Ledger.expected`` lets nothing be fetched that has not been sought.
- A gap in offsets counts as processed: ``ledger.Ledger`` commits along the sequence that was fetched.
- An empty set means all partitions, and records taken but not delivered are gone: ``fetching.ConsumerThread`` fetches
  a copy of the wanted partitions, each from the offset that the ledger expects.
- Without a commit nothing is rewound: ``consumer.Consumer.perform_seek`` goes to the earliest.
- The disk's offset follows any acknowledged write, a zombie's too: here it follows what was read of the changelog and
  judged (``tables.RawTable.fill`` and ``heed``), or our own unbroken writes.
- Recovery keeps the last value, one event at a time: ``changelog.Changelogs`` reads batches, ``RawTable`` keeps the
  highest; the owner watches its changelog and writes a key again when a lower value lands after its own.
- A frozen worker writes on after it wakes: ``stop.Fence``; the lease (``connector/kafka/lease.py``) closes the rest.
- Flush gives up after 0.1 s, and a failed send is only logged: ``producer.Producer``.
- A rebalance forgets acknowledgements before it commits them: ``consumer.Consumer.on_partitions_revoked``.
- A failed recovery batch and a timed-out seek are logged and passed over: both end the process here.
- Commits freeze or a partition falls silent: ``consumer.Consumer._watch_commits`` ends the process.
"""
