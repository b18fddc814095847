# Everything a person or a CI runs. Nothing to install first but Python 3.11 or 3.12, Node 18+ and make.

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench audit mutants compile format clean

# Any Python 3 starts the bootstrap, which finds the right one. A name on PATH may be a stub that does not run, so try it.
PYTHON ?= $(shell for p in .venv/bin/python python3 python3.12 python3.11 python; do \
  $$p -S -c 'import sys; sys.exit(sys.version_info < (3, 7))' >/dev/null 2>&1 && echo $$p && break; done)
ifeq ($(PYTHON),)
PYTHON := echo 'error: no Python 3 found. Fix: install Python 3.12 (with python3.12-venv on Debian, Ubuntu).' >&2; false \#
endif

RUN    := .venv/bin/python
# One process a core, a file to each: what a file deploys once stays in one process. Files keep their order: few long ones
# last would keep a core waiting.
PYTEST := $(RUN) -m pytest -p no:ape_test -n auto --dist loadfile --no-loadscope-reorder
# anvil is an npm package; Ape looks for it on PATH.
WITH_NODE := PATH="$(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$$PATH"
ARGS   ?=

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile
	@echo '  ARGS="..." is passed on: make demo ARGS="--seed 7", make test ARGS="tests/unit -k lanes"'

.PHONY: ready-demo ready-test
ready-demo:
	@$(PYTHON) scripts/bootstrap.py demo
ready-test:
	@$(PYTHON) scripts/bootstrap.py test

setup: ready-test ## install everything into .venv and node_modules (the other targets do so themselves)

demo: ready-demo ## the whole system on a local chain, in a few minutes; needs no Node
	@.venv/bin/seawall demo $(ARGS)

# Two runs: Ape's own suite needs its plugin, everything else must not have it. CI takes the shipped bytecode as it is.
test: ready-test ## all tests; with ARGS only those it names
	@$(RUN) scripts/compile.py --quiet $(if $(CI),--frozen)
ifeq ($(filter tests/ape%,$(ARGS)),)
	@$(WITH_NODE) $(PYTEST) $(or $(ARGS),tests)
endif
ifneq ($(or $(filter tests/ape%,$(ARGS)),$(if $(ARGS),,all)),)
	@rm -rf contracts/.cache
	@$(WITH_NODE) .venv/bin/ape test $(or $(ARGS),tests/ape) --network ::test
endif

check: ready-test ## format, lint, types, contract sizes, and that the shipped bytecode is what the sources compile to
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@$(RUN) -m mypy --strict offchain/seawall
	@$(RUN) scripts/compile.py --check --sizes

compile: ready-test ## compile what changed into the artifacts that ship with the package
	@$(RUN) scripts/compile.py --sizes $(ARGS)

format: ready-test ## rewrite the Python sources in house style
	@$(RUN) -m ruff check --fix-only --quiet .
	@$(RUN) -m ruff format .

bench: ready-test ## gas and speed tables
	@$(RUN) scripts/compile.py --quiet
	@$(WITH_NODE) $(RUN) tests/bench/run.py $(ARGS)

mutants: ready-test ## break the code in over a hundred ways and require that the tests of the invariants notice; up to an hour
	@$(RUN) scripts/compile.py --quiet
	@$(RUN) tests/mutants/run.py $(ARGS)

audit: ready-test $(if $(ARGS),,mutants) ## mutants, then the tests again with 20,000 examples a property; takes hours
	@$(RUN) scripts/compile.py --quiet
	@SEAWALL_HYPOTHESIS_PROFILE=audit $(WITH_NODE) $(PYTEST) $(or $(ARGS),tests)

clean: ## remove everything that make installed or built
	@rm -rf .venv node_modules .build .hypothesis .mypy_cache .pytest_cache .ruff_cache contracts/.cache offchain/seawall.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
