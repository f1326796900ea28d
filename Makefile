# Each target starts from a bare machine: git, make, a python3 >= 3.11 with venv, and a package index.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test lint format generated docs lock bench census

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(READY)  ## the main job on a simulated atlas: tables and a report in results/demo
	@$(BIN)/cartarget demo

test: $(READY)  ## every test that this machine can run
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

lint: $(READY)  ## style, types and the workflow's form
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check workflow
	$(BIN)/snakemake --lint

format: $(READY)  ## put code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt workflow

generated: $(READY)  ## write again what is generated from the code
	$(BIN)/python -m pytest tests/test_config.py tests/test_structure.py --fix

docs: $(READY)  ## take the pictures of docs/images again (needs a Chromium on the path)
	@$(BIN)/cartarget demo
	@$(BIN)/cartarget run config/examples/rectal.yaml
	@$(BIN)/python docs/make_screenshots.py

lock:  ## compile requirements.lock again (needs uv)
	uv pip compile --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 \
	  --all-extras pyproject.toml -o requirements.lock

bench: $(READY)  ## the claims on speed, each beside the obvious alternative
	@for script in benchmarks/[a-z]*.py; do $(BIN)/python $$script || exit 1; done

census:  ## cellxgene-census in .census, for those without conda; put .census/bin first in PATH
	@$(PYTHON) -m venv .census
	@.census/bin/python -m pip install --quiet --disable-pip-version-check \
	  $$(grep -o 'cellxgene-census==[0-9.]*' workflow/envs/census.yaml)

# The lock goes in with hashes, then the package itself without dependencies. A second call does nothing.
$(READY): requirements.lock surfaceome.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "cartarget needs Python 3.11 or later; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV) (once; a few minutes on a fresh machine)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r surfaceome.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
