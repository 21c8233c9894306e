# make run    set up what is missing, run the default experiment      make test   set up, run all the tests
# make check  format, types, layers, workflow lint                    make lock   pin what pyproject.toml asks for
# make benchmark  tables of docs/performance.md                      make docs   the documentation, in build/site
# make audit  known vulnerabilities of what is pinned                 make fuzz   readers of files, SECONDS each

PYTHON ?= python3
VENV ?= .venv
SECONDS ?= 60
CORES ?= $(shell env -u OMP_NUM_THREADS nproc 2>/dev/null || echo 2)
BIN := $(VENV)/bin

.PHONY: run test test-slow test-long test-all check format lock audit fuzz benchmark docs clean

# one thread a test process: more would only wait for each other
test test-slow test-long benchmark: export OMP_NUM_THREADS ?= 1
test test-slow test-long benchmark: export OMP_WAIT_POLICY ?= passive

run: $(VENV)/.installed
	$(BIN)/snakemake --cores $(CORES)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(CORES) --dist loadgroup -m "not slow and not long"

test-slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(CORES) --dist loadgroup -m "slow and not long" -rs

test-long: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(CORES) --dist loadgroup -m long

test-all: test test-slow test-long

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakemake --lint

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# uv alone: the versions of before may not go together with what is asked for now
lock: $(VENV)/bin/python
	$(BIN)/pip install --quiet --constraint constraints.txt uv
	$(BIN)/python envs/lock.py

# strict: what could not be looked up is a failure
audit: $(VENV)/.installed-dev
	$(BIN)/uvx pip-audit@2.10.1 --requirement requirements.lock --require-hashes --disable-pip --strict

# atheris is no dependency: it has builds for few platforms
fuzz: $(VENV)/.installed-dev
	$(BIN)/uv pip install --quiet --python $(BIN)/python --target build/atheris atheris==3.0.0
	for kind in config csv jsonl parquet; do \
	  PYTHONPATH=build/atheris $(BIN)/python tests/fuzz.py $$kind -artifact_prefix=build/ -max_total_time=$(SECONDS) || exit 1; done

benchmark: $(VENV)/.installed-dev
	$(BIN)/python benchmarks

docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --clean

clean:
	rm -rf $(VENV) results .snakemake

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@
