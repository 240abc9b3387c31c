"""Torture of the engine: a bare counting agent with a table, two workers, a backlog, and faults on purpose.

``python -m benchmarks.torture`` (``make torture``) first shows what Faust loses as it comes, then runs the strict core
through the same faults. The judge (``judge.py``, ``reading.py``) reads the topics with a plain client and knows nothing
of the engine. ``docs/torture.md`` holds the figures.
"""
