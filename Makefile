# One verb each. Needs Python 3.11 or newer with venv; everything else comes from PyPI into .venv.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help install install-dev up demo test lint format docs bench chaos

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

install: $(VENV)/.installed ## make .venv with everything that up and demo need

install-dev: $(VENV)/.installed-dev

up: install ## collect from the real exchange and serve (Ctrl-C stops everything)
	@exec $(PY) manage.py up $(ARGS)

demo: install ## the same against a simulated exchange, e.g. make demo ARGS='--symbols 820 --rate 20000 --seconds 60'
	@exec $(PY) manage.py demo $(ARGS)

test: install-dev ## all tests, on services they start themselves (three test processes side by side)
	@exec $(PY) -m pytest -n 3 --dist loadfile $(ARGS)

lint: install-dev ## style, types and the rule of imports
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy .
	$(VENV)/bin/lint-imports

format: install-dev ## put the code into the style that lint wants
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

docs: install-dev ## write the table of settings in docs/OPERATING.md, and docs/METRICS.md, anew
	@$(PY) -m tests.deploy.settings_table
	@$(PY) -m api.metrics.page > docs/METRICS.md

bench: install-dev ## speeds beside the original's way, e.g. make bench ARGS=--quick (a minute) or ARGS='--only inserts'
	@exec $(PY) -m tests.bench $(ARGS)

chaos: install-dev ## faults on the real stack, every trade compared in the end; ARGS='--soak 30m'; simulated: ARGS='--seeds 10000'
	@exec $(PY) -m tests.chaos $(ARGS)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 …"; exit 2; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "This Python cannot make virtual environments (on Debian: the package python3-venv)."; exit 2; }

$(VENV)/.installed: $(VENV)/bin/python requirements.txt requirements-embedded.txt
	@echo "Installing into $(VENV) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-embedded.txt
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed requirements-dev.txt
	@echo "Installing what tests need into $(VENV) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
