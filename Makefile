# Everyday commands. `make help` lists them; `make check` is what CI runs.
# Works with GNU make 3.81 (macOS) and later, and needs python3 >= 3.11; everything else is brought by `make setup`.

VENV  := .venv
TOOLS := .tools
PY    := $(VENV)/bin/python
PIP   := $(PY) -m pip --disable-pip-version-check -qq
TASKROOM_ARGS ?=
PYTEST_ARGS ?=
BENCH_ARGS ?=
# Rewritten assertions are kept for the next run, also where Python is told to keep nothing: half of collecting the tests.
PYTEST = PYTHONDONTWRITEBYTECODE= $(PY) -m pytest
# A file's tests stay together: they share a server. The files are in tests/conftest.py's order, the longest first.
PARALLEL = -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
UV_COMPILE = $(PY) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev run demo test test-again quick campaign bench lint check format matrix matrix-check lock clean

help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z][a-z-]*:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/runtime.stamp static/vendor/stamp ## Install everything that running needs (again: at once)
	@:

setup-dev: setup $(VENV)/dev.stamp ## … and what the tests and checks need
	@:

run: setup ## Start Taskroom on this machine: http://127.0.0.1:8080
	@./taskroom serve $(TASKROOM_ARGS)

demo: setup ## Start a server, scan this repository in the terminal, end
	@$(PY) tools/demo.py

test: setup-dev ## Run all tests
	@$(PYTEST) $(PARALLEL) $(PYTEST_ARGS)

test-again: setup-dev ## Run the tests that failed last time, one after the other
	@$(PYTEST) --last-failed --last-failed-no-failures none $(PYTEST_ARGS)

quick: setup-dev ## Run the tests that start no servers, on every core
	@$(PYTEST) -m "not slow" $(PARALLEL) $(PYTEST_ARGS)

campaign: setup-dev ## Break everything at random, thousands of times; CAMPAIGN_STEPS=3000 takes an hour
	@TASKROOM_STEPS=$(or $(CAMPAIGN_STEPS),3000) $(PYTEST) -s tests/faults/test_campaign.py $(PYTEST_ARGS)

bench: setup ## Measure beside stock Flask-SocketIO and Node; BENCH_ARGS=--quick takes three minutes
	@$(PY) -m bench $(BENCH_ARGS)

lint: setup-dev ## Check style and types
	@$(PY) -m ruff check .
	@$(PY) -m mypy

check: lint matrix-check test ## Everything CI checks

format: setup-dev ## Let ruff mend what it can
	@$(PY) -m ruff check --fix .

matrix: setup-dev ## Write docs/requirements.md: each requirement with its tests
	@$(PY) tools/matrix.py

matrix-check: setup-dev
	@$(PY) tools/matrix.py --check

lock: setup-dev ## Bring requirements*.txt up to the newest versions that requirements*.in allow
	@$(PIP) install uv
	@$(UV_COMPILE) --upgrade requirements.in -o requirements.txt
	@$(UV_COMPILE) --upgrade requirements-dev.in -c requirements.txt -o requirements-dev.txt
	@$(UV_COMPILE) --upgrade requirements-node.in -o requirements-node.txt
	@echo "Locked. Look at: git diff --stat 'requirements*.txt'; then: make check"

clean: ## Remove what setup and the tools made; your data stays
	rm -rf $(VENV) $(TOOLS) node_modules static/vendor bench/.build bench/servers/node/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis test-results

# The stamps: each is newer than what it was made from, so a second `make setup` has nothing to do. A .venv whose Python
# is gone is made again.

$(PY):
	@python=$$(sh tools/find_python.sh) && echo "Making $(VENV) with $$python" && "$$python" -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/runtime.stamp: requirements.txt $(PY)
	@echo "Installing what Taskroom runs on (requirements.txt)"
	@$(PIP) install --require-hashes -r requirements.txt
	@touch $@

$(VENV)/dev.stamp: requirements-dev.txt $(VENV)/runtime.stamp
	@echo "Installing what the tests need (requirements-dev.txt)"
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@

static/vendor/stamp: package.json package-lock.json requirements-node.txt tools/vendor_client.py | $(PY)
	@sh tools/npm.sh ci --no-audit --no-fund --loglevel=error
	@$(PY) tools/vendor_client.py
	@touch $@
