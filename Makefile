# Every target makes what it needs: `make demo` and `make test` work in a fresh clone.
# Needs: make, and Python 3.11 or newer with its venv module.

PYTHON ?= python3
ARGS   ?=
VENV   ?= .venv
BIN    := $(VENV)/bin

# The environment is remade when what it was made of changes, its place included.
KEY   := $(shell { pwd; cat requirements-dev.lock pyproject.toml 2>/dev/null; } | cksum | tr ' ' -)
READY := $(VENV)/.ready-$(KEY)

.DEFAULT_GOAL := help
.PHONY: help demo up check pure test core oldest newest lint docs bench fuzz chaos lock clean

help: ## Show this help
	@echo "Usage: make TARGET [ARGS=\"...\"] [PYTHON=python3.13]"
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  \1	\2/p' Makefile | expand -t 10

demo: $(READY) ## Show the whole pipeline at work, from nothing, and stop
	@$(BIN)/penstock demo $(ARGS)

up: $(READY) ## Run everything on this machine until Ctrl-C
	@$(BIN)/penstock up $(ARGS)

check: $(READY) ## Check what is pure, within a minute: lint, types, unit and contract tests
	@$(MAKE) --no-print-directory -j2 lint pure

pure: $(READY)
	@$(BIN)/python -m tests.run pure $(ARGS)

test: $(READY) ## Run all tests; ARGS="-k merge" for some of them
	@$(BIN)/python -m tests.run all $(ARGS)

# The servers that `test` runs on are the newest, its Python may be the oldest.
oldest: $(READY) ## Run the core of the tests on the oldest PostgreSQL and Redis that are promised
	@$(BIN)/python -m tests.run oldest $(ARGS)

newest: ## Run the core of the tests on the newest Python of this machine
	@python="$$($(PYTHON) tests/pythons.py)"; \
	if [ -z "$$python" ]; then echo "There is no newer Python here than $$($(PYTHON) -V)."; \
	else $(MAKE) --no-print-directory core VENV=.venv-newest PYTHON="$$python"; fi

core: $(READY)
	@$(BIN)/python -m tests.run core $(ARGS)

lint: $(READY) ## Check format, style, types and import order
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

docs: $(READY) ## Write the generated pages and dashboards anew
	@$(BIN)/python -m ingest.settings
	@$(BIN)/python -m ingest.exporter.page
	@$(BIN)/python -m ingest.domain.remedies.page
	@$(BIN)/python deploy/grafana/render.py

bench: $(READY) ## Measure beside the usual design and the floor, on this machine
	@$(BIN)/python -m tests.benchmarks.bench $(ARGS)

fuzz: $(READY) ## Feed changed samples to every decoder for ten minutes
	@$(BIN)/python -m tests.fuzz.run $(ARGS)

chaos: $(READY) ## Break a loaded Penstock for ten minutes; prove that nothing is lost
	@$(BIN)/python -m tests.chaos.run $(ARGS)

# Versions stay as they are unless pyproject.toml forbids them; `make lock ARGS=--upgrade` renews them.
LOCK = uv pip compile pyproject.toml --quiet --universal --python-version 3.11 \
	--generate-hashes --no-annotate --no-emit-index-url \
	--custom-compile-command "make lock" --group build $(ARGS)

lock: ## Write the lock files from pyproject.toml; needs uv
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@echo "Locking ..."
	@$(LOCK) --group dev --extra embedded --extra otel --output-file requirements-dev.lock
	@$(LOCK) --extra otel --constraint requirements-dev.lock --output-file requirements.lock

clean: ## Remove the environment, caches and local state
	@rm -rf .venv .venv-newest .versions .state .pytest_cache .mypy_cache .ruff_cache .hypothesis \
		.import_linter_cache .coverage* dist build
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

PIP = PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 $(BIN)/python -m pip install \
	-qq --no-input --disable-pip-version-check

$(READY): export PYTHONPATH :=
$(READY):
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "Penstock needs Python 3.11 or newer; there is no '$(PYTHON)' here." >&2; \
		echo "Name one: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Penstock needs Python 3.11 or newer; '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1)." >&2; \
		echo "Name another: make PYTHON=python3.13 $(MAKECMDGOALS)" >&2; exit 1; }
	@if [ -e $(VENV)/.place ] && [ "$$(cat $(VENV)/.place)" != "$$(pwd)" ]; then \
		echo "The checkout has moved: making $(VENV) anew ..."; rm -rf $(VENV); fi
	@$(BIN)/python -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Making $(VENV) with $$("$(PYTHON)" -V) ..."; \
		rm -rf $(VENV); "$(PYTHON)" -m venv $(VENV) || { \
			rm -rf $(VENV); \
			echo "'$(PYTHON)' cannot make virtual environments." >&2; \
			echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }; }
	@echo "Installing locked packages ..."
	@$(PIP) --require-hashes --requirement requirements-dev.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.ready-*; pwd > $(VENV)/.place; touch "$@"
