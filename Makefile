# Two commands: make demo, make test. They need CPython 3.11-3.14 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DIR ?=

SEED ?= 1
WORKERS ?= 2

.PHONY: scenarios scenarios-cut help demo test check corpus bench recovery torture clean environment faults staleness polled stream-faults snapshot

help:
	@echo "make demo     the whole story on this machine: Kafka, both simulators, the connector"
	@echo "make test     all checks and tests"
	@echo "make check    linters, types and rooms only"
	@echo "make scenarios  the product's rows, and docs/scenarios.md written from the run (about 10 minutes)"
	@echo "make scenarios-cut SEED=1  the same with calls cut after the commit at random"
	@echo "make corpus DIR=...   run recorded messages through codec, hydrate and record code"
	@echo "make faults   two workers, 300 changes, kills, freezes, broker restarts, cut calls: a verdict (about 20 minutes)"
	@echo "make polled     how fresh an org without change events is known, and what its polls cost (15 minutes)"
	@echo "make staleness  how fresh 120,000 objects of Xero are known, by day limit and webhooks (simulated days, up to an hour)"
	@echo "make stream-faults  every fault of the Salesforce stream, a row each: lost, twice, readiness (about 20 minutes)"
	@echo "make bench    latency, throughput and API calls, side by side"
	@echo "make torture  kills, pauses and starts against a bare counting agent, on Faust as it comes and on our engine"
	@echo "make snapshot 1,000,000 records read again beside 50 changes a second (about 40 minutes)"
	@echo "make recovery how long a worker with 1,000,000 links needs to come back, and how much memory"

environment: $(READY)

$(READY): pyproject.toml connector/cli/host.py
	@$(PYTHON) connector/cli/host.py
	@echo "Making the environment in $(VENV) ..."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

demo: $(READY)
	@$(BIN)/twinledger demo

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: check
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests/unit tests/integration
	@# By themselves: their stage stands still while a test with a loop of its own runs beside it in one process.
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests/scenarios

scenarios: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests/scenarios --list docs/scenarios.md

scenarios-cut: $(READY)
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile tests/scenarios --cuts "$(SEED)"

corpus: $(READY)
	$(BIN)/python -m benchmarks.corpus "$(DIR)"

bench: $(READY)
	$(BIN)/python -m benchmarks.run

torture: $(READY)
	$(BIN)/python -m benchmarks.torture

faults: $(READY)
	$(BIN)/python -m benchmarks.faults

stream-faults: $(READY)
	$(BIN)/python -m benchmarks.stream_faults

recovery: $(READY)
	$(BIN)/python -m benchmarks.recovery

staleness: $(READY)
	$(BIN)/python -m benchmarks.staleness --write docs

polled: $(READY)
	$(BIN)/python -m benchmarks.polled_org --every 5 15 60

snapshot: $(READY)
	$(BIN)/python -m benchmarks.snapshots

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
