# Everything there is to do here. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
.DEFAULT_GOAL := help

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

BIN := .venv/bin
# Errors alone are shown.
PIP := $(BIN)/python -m pip -qq
INSTALL := $(PIP) install --require-hashes
# The tests run on the wheel as users get it: an environment of its own, where src/ is on no path.
WHEEL_PYTHON := build/venv/bin/python
PYTEST := $(WHEEL_PYTHON) -m pytest
WORKERS ?= 2
# These run alone, after the others: they need the machine, or measure time.
HEAVY := slow or crash or interop
# Seconds for each fuzzer, rounds of each crash experiment (else its own long run), and what else to tell a program.
SECONDS_EACH ?= 300
ROUNDS ?=
ARGS ?=

SOURCES = $(shell find src -name '*.py' -o -name py.typed) pyproject.toml README.md LICENSE

.PHONY: help run test test-fast bench check lint types house docs reference fuzz crash lock coverage clean

help:  ## what there is to do
	@grep -hE '^[a-z-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/:.*  ## /\t/' | expand -t 12

run: .venv/.run  ## the whole mail system in the foreground, with a demo domain and account
	@exec $(BIN)/eilpost serve --demo

test: build/venv/.installed  ## all tests, on the built wheel; peers come from Debian
	@scripts/peers
	@rc=0; rm -rf build/reports; \
	$(PYTEST) tests --ignore=tests/house -m "not ($(HEAVY))" -n $(WORKERS) --junitxml=build/reports/quick.xml $(ARGS) || rc=$$?; \
	$(PYTEST) tests --ignore=tests/house -m "$(HEAVY)" --durations=10 --junitxml=build/reports/heavy.xml $(ARGS) || [[ $$? -eq 5 ]] || rc=1; \
	exit $$rc

test-fast: .venv/.dev  ## the quick tests on the working tree: ARGS="tests/unit/smtp -x"
	@$(BIN)/python -m pytest -m "not ($(HEAVY))" -n $(WORKERS) -q $(ARGS)

bench: .venv/.dev  ## the benchmarks, beside the peers
	@scripts/peers
	$(BIN)/python -m bench $(ARGS)

check: lint types house docs  ## the gates: lint, types, house, docs

lint: .venv/.dev  ## ruff: rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: .venv/.dev  ## mypy, strict
	@$(BIN)/mypy

house: .venv/.dev  ## the rules of the house: layers, purity, sizes, tables, papers
	@$(BIN)/python -m pytest tests/house -q $(ARGS)

docs: .venv/.docs  ## the documentation in build/docs/html; a warning is an error
	@$(BIN)/python docs/render.py --check
	@$(BIN)/python -m sphinx -W --keep-going -q -d build/docs/doctrees -b html docs build/docs/html
	@$(BIN)/python -m sphinx -W --keep-going -q -d build/docs/doctrees -b man docs build/docs/man
	@$(BIN)/python docs/render.py --man build/docs/man
	@echo "build/docs/html/index.html"

reference: .venv/.dev  ## the reference in docs/, rendered from the tables again
	@$(BIN)/python docs/render.py

fuzz: .venv/.dev  ## the fuzzers, SECONDS_EACH seconds each
	@for fuzzer in fuzz/[a-z]*.py; do echo "$$fuzzer"; $(BIN)/python "$$fuzzer" --seconds $(SECONDS_EACH) $(ARGS); done

crash: .venv/.dev  ## the crash experiments, ROUNDS rounds each: ARGS="E1 E10 --seed 7"
	@scripts/peers
	$(BIN)/python -m tests.crash $(if $(ROUNDS),--rounds $(ROUNDS)) $(ARGS)

coverage: .venv/.dev  ## branch coverage of the quick tests, in build/coverage/html
	@rm -rf build/coverage; mkdir -p build/coverage
	$(BIN)/coverage run -m pytest -m "not ($(HEAVY))" -q $(ARGS)
	$(BIN)/coverage combine -q && $(BIN)/coverage html -q && $(BIN)/coverage report

lock: .venv/.dev  ## pins the dependencies again; UPGRADE=1 for the newest
	scripts/lock $(if $(UPGRADE),--upgrade)

clean:  ## forgets all that make has made
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# The environment: one stamp a layer, so that `make run` installs no more than running needs.

.venv/bin/python:
	@echo "Setting up the virtual environment in .venv …"
	@scripts/venv .venv

.venv/.run: requirements/run.txt requirements/build.txt pyproject.toml | .venv/bin/python
	@$(INSTALL) -r requirements/run.txt -r requirements/build.txt
	@$(PIP) install --no-deps --no-build-isolation --no-index --editable .
	@touch $@

.venv/.dev: requirements/dev.txt .venv/.run
	@$(INSTALL) -r requirements/dev.txt
	@touch $@

.venv/.docs: requirements/docs.txt .venv/.dev
	@$(INSTALL) -r requirements/docs.txt
	@touch $@

# The wheel and its environment. Third-party packages are lent by .venv: a path in a .pth file is searched, but
# the .pth files in that place are not read, so the working tree that .venv points to stays out of sight.

build/wheel/.built: $(SOURCES) .venv/.dev
	@rm -rf build/wheel; mkdir -p build
	@$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel . >build/wheel.log 2>&1 || { cat build/wheel.log; exit 1; }
	@touch $@

build/venv/.installed: build/wheel/.built
	@rm -rf build/venv
	@$(BIN)/python -m venv --without-pip build/venv
	@$(PIP) --python $(WHEEL_PYTHON) install --no-deps --no-index build/wheel/*.whl
	@$(WHEEL_PYTHON) scripts/lend.py "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
	@touch $@
