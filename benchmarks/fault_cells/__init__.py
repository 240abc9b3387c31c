"""A random part of the fault matrix in real time: worker, Kafka, simulators, no settable clock (docs/faults.md)."""
