# flowtui: every command a developer needs. `make` alone lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help venv run test lint types bench bench-graph bench-ui screenshots snapshots chaos large exact soak mutants wheel clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(STAMP) ## create .venv and install flowtui with its development tools

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("flowtui needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12 venv" % sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

run: $(STAMP) ## open flowtui on the embedded engine (without a terminal: run the demo flow and print the result)
	@$(BIN)/python -m flowtui demo

test: $(STAMP) lint types ## everything CI checks: style, types and the whole test suite
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(STAMP) ## style (ruff)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## types (mypy --strict)
	$(BIN)/mypy

bench: $(STAMP) ## the engine beside its peers; writes benchmarks/RESULTS.md; ARGS="--help" for a part
	$(BIN)/python -m benchmarks.engine $(ARGS)

bench-graph: $(STAMP) ## the drawing beside Graphviz dot, and its frames
	$(BIN)/python -m benchmarks.graph

bench-ui: $(STAMP) ## the app under load, every goal met or not; AsyncMQ's dashboard beside it
	$(BIN)/python -m benchmarks.ui

chaos: $(STAMP) ## two minutes of killed workers, servers and connections, checked against a ledger
	$(BIN)/python -m tests.chaos --seconds 120

large: $(STAMP) ## flows of 100,000 jobs added, run, cancelled and failed, while the server is pinged
	$(BIN)/python -m tests.large

exact: $(STAMP) ## trace every graph of the corpus at every zoom, and 2,000 random ones, back into their links
	FLOWTUI_DAG_WHOLE=1 FLOWTUI_DAG_EXAMPLES=2000 $(BIN)/python -m pytest -n auto tests/flowtui/dag/test_exact.py

soak: $(STAMP) ## a long run of random histories
	FLOWTUI_EXAMPLES=5000 $(BIN)/python -m pytest -n auto tests/core/test_model.py

mutants: $(STAMP) ## plant bugs into copies of the engine; every one must be caught
	$(BIN)/python -m tests.mutants

screenshots: $(STAMP) ## the README's pictures
	$(BIN)/python -m screenshots.make

snapshots: $(STAMP) ## accept the pictures of the screens as they are now
	$(BIN)/python -m pytest -n auto tests/flowtui -k snapshot --snapshot-update

wheel: $(STAMP) ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean: ## remove what the other commands made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
