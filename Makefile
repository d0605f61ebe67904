# Two commands on a fresh machine: `make run` and `make test`. Both make their own environment.
PYTHON ?= python3
VENV   ?= .venv
TRAIN_VENV ?= .venv-train
BENCH_VENV ?= .venv-bench
BIN    := $(VENV)/bin
ARGS   ?=
# processes that share the tests
WORKERS ?= 2

# One thread for every array library: results are then the same from run to run, and two
# services on two cores do not fight.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.DEFAULT_GOAL := help
.PHONY: help install install-dev install-train install-bench run test test-unit test-integration test-train chaos chaos-full lint lock bench clean

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 20

install: $(VENV)/.run-installed ## make .venv with what running needs (CPU)

$(VENV)/.run-installed: requirements/cpu.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements/cpu.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

install-dev: $(VENV)/.dev-installed ## add the test and lint tools to .venv

$(VENV)/.dev-installed: requirements/dev.txt pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --require-hashes -r requirements/dev.txt
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run-installed

install-train: $(TRAIN_VENV)/.installed ## make .venv-train with torch and galsim

$(TRAIN_VENV)/.installed: requirements/train.txt pyproject.toml
	@test -x $(TRAIN_VENV)/bin/python || $(PYTHON) -m venv $(TRAIN_VENV)
	$(TRAIN_VENV)/bin/python -m pip install -q --require-hashes -r requirements/train.txt
	$(TRAIN_VENV)/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

run: install ## the whole chain on this machine: simulated frames to alerts and a report (ARGS="--frames 100")
	$(BIN)/csstream run $(ARGS)

test: lint test-unit test-integration ## everything that CI runs

test-unit: install-dev ## fast tests, no broker
	$(BIN)/python -m pytest -q -n $(WORKERS) -m "not integration and not apache and not train" $(ARGS)

test-integration: install-dev ## tests on real brokers; Apache Kafka where Java 17 and Maven are present
	$(BIN)/python -m pytest -q -rs -n $(WORKERS) --dist loadfile -m "(integration or apache) and not long" $(ARGS)

chaos: install-dev ## the chain on both brokers, with every service killed, with broken inputs (3 minutes)
	$(BIN)/python -m pytest -rs -m "not long" tests/integration/test_chain.py $(ARGS)

chaos-full: install-dev ## the same and 30 random kills -9 (10 minutes)
	$(BIN)/python -m pytest -rs tests/integration/test_chain.py $(ARGS)

test-train: install-train ## tests of the training code, in its own environment
	$(TRAIN_VENV)/bin/python -m pytest -m train $(ARGS)

lint: install-dev ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=shared:services:schemas $(BIN)/lint-imports

install-bench: $(BENCH_VENV)/.installed ## make .venv-bench with the rivals that benchmarks compare with

# crowdsource asks for tensorflow, which the part compared with does not use: no dependencies.
$(BENCH_VENV)/.installed: requirements/bench.txt requirements/bench-alone.txt pyproject.toml
	@test -x $(BENCH_VENV)/bin/python || $(PYTHON) -m venv $(BENCH_VENV)
	$(BENCH_VENV)/bin/python -m pip install -q --require-hashes -r requirements/bench.txt
	$(BENCH_VENV)/bin/python -m pip install -q --require-hashes --no-deps -r requirements/bench-alone.txt
	$(BENCH_VENV)/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

bench: install-bench ## print the figures that the documentation quotes
	@for b in $(filter-out benchmarks/second_telescope.py benchmarks/ogle_series.py,$(wildcard benchmarks/*.py)); do \
		echo "== $$b"; $(BENCH_VENV)/bin/python $$b || exit 1; done

lock: ## resolve the dependencies anew (needs uv): names, versions and hashes only
	./requirements/lock

clean: ## remove the environments and caches
	rm -rf $(VENV) $(TRAIN_VENV) $(BENCH_VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
