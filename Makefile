# Every target makes .venv first if it is missing or older than what it is made from.
#   PYTHON=python3.12          the interpreter that makes .venv (3.11 or later)
#   PIP_FLAGS="..."            extra flags of `pip install`, such as --extra-index-url for the CPU build of torch
#   PYTEST_FLAGS="..."         extra flags of pytest
#   WORKERS=2                  test files that run at one time

PYTHON ?= python3
PIP_FLAGS ?=
PYTEST_FLAGS ?=
WORKERS ?= 2

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# A file's tests stay together: they share models and processes that take seconds to start.
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: help demo demo-net test test-deps check bench nightly clean

help: ## Show what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST))

demo: $(STAMP) ## A local swarm answers two questions with a real model and verifies its receipt
	$(BIN)/peerage demo

demo-net: $(STAMP) ## Nine peers over TLS, each with a process of its own; asked, verified, one killed and back
	$(BIN)/peerage net demo

test: check ## Everything that must hold before a change is merged: check, then all tests, slow ones included
	$(PYTEST) $(PYTEST_FLAGS)

# Debian's, because the tests must not fetch a browser of their own; nothing happens where it is installed.
test-deps: ## What only tests need and pip cannot bring: Debian's Chromium
	@if [ -x /usr/bin/chromium ]; then exit 0; fi; \
	command -v apt-get >/dev/null || { \
	  echo "make: /usr/bin/chromium is missing, and there is no apt-get to install it with." >&2; exit 1; }; \
	if [ "$$(id -u)" -eq 0 ]; then sudo=; else sudo=sudo; fi; \
	$$sudo apt-get update -q && $$sudo apt-get install -q -y --no-install-recommends chromium

check: $(STAMP) ## Format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(STAMP) ## Run every benchmark in turn
	@shopt -s nullglob; found=(benchmarks/[a-z]*.py); \
	if [ $${#found[@]} -eq 0 ]; then echo "make bench: no benchmarks/*.py here" >&2; exit 1; fi; \
	for file in "$${found[@]}"; do \
	  name=$$(basename "$$file" .py); echo "== $$name"; $(BIN)/python -m "benchmarks.$$name"; done

nightly: check ## The long run: all tests with more examples and the seeded worlds
	PEERAGE_NIGHTLY=1 $(PYTEST) $(PYTEST_FLAGS)

clean: ## Remove .venv, caches and build output
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The usual obstacles of a fresh machine, each met with the line that removes it.
VENV_PACKAGE := $(if $(filter python3.%,$(notdir $(PYTHON))),$(notdir $(PYTHON))-venv,python3-venv)

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "make: '$(PYTHON)' is not installed; peerage needs Python 3.11 or later." >&2; \
	  echo "Install it with:  sudo apt install python3 python3-venv" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "make: '$(PYTHON)' is $$("$(PYTHON)" -V 2>&1); peerage needs Python 3.11 or later." >&2; \
	  echo "Name a later one:  make $(firstword $(MAKECMDGOALS)) PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make: '$(PYTHON)' cannot make virtual environments: its venv and ensurepip modules are missing." >&2; \
	  echo "Install them with:  sudo apt install $(VENV_PACKAGE)" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)

$(STAMP): pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt -e '.[dev]'
	touch $@
