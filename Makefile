# make setup  only make the environment, .venv
# make run    get the data, train model1, print what it scores      make run ARGS="model=model2 optimizer=sgd"
# make test   pass the tests                                        make check   lint and types
# make report say who is best, and write report.html
# make ui     look at the runs in a browser                          make soak    try half an hour what must not be lost
# make doctor look for what is wrong with this machine and the runs  make doctor ARGS=--fix
# make bench  time training beside other ways to do it              make bench-sweep  the same for whole sweeps
# make bench-startup  time commands that only start                 make bench-accuracy  time the way to the document's accuracy
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar on

LOCK   := --universal --python-version 3.11 --generate-hashes --no-annotate --allow-unsafe \
          --custom-compile-command "make lock"

.PHONY: setup run test check report ui doctor soak bench bench-sweep bench-startup bench-accuracy lock clean help

help:
	@sed -n '/^PYTHON/q; s/^# //p' Makefile

setup: $(READY)

run: $(READY)
	@$(BIN)/python -m experiments.run $(ARGS)

test: $(READY)
	@$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY)
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

report: $(READY)
	@$(BIN)/python -m experiments.report $(ARGS)

ui: $(READY)
	@$(BIN)/python -m experiments.ui $(ARGS)

soak: $(READY)
	@$(BIN)/python -m tests.soak $(ARGS)

doctor: $(READY)
	@$(BIN)/python -m experiments.doctor $(ARGS)

bench: $(READY)
	@$(BIN)/python -m benchmarks.train $(ARGS)

bench-sweep: $(READY)
	@$(BIN)/python -m benchmarks.sweep $(ARGS)

bench-startup: $(READY)
	@$(BIN)/python -m benchmarks.startup $(ARGS)

bench-accuracy: $(READY)
	@$(BIN)/python -m benchmarks.accuracy $(ARGS)

# The environment: made once from exact versions with hashes; made again when the lock file changes.
$(READY): requirements.lock requirements-build.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "Python 3.11 to 3.13 is needed; $$($(PYTHON) --version 2>&1) was found. Name another: make setup PYTHON=python3.11"; exit 2; }
	@echo "Setting up $(VENV) (once; a few minutes, about 3 GB)"
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) --require-hashes --requirement requirements-build.lock
	@$(PIP) --require-hashes --no-build-isolation --requirement requirements.lock
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(READY)

# Made again on purpose only: the newest versions that pyproject.toml allows, for every platform, without addresses.
lock: # the second file holds what builds packages that come as source
	printf 'setuptools>=77\nwheel\n' | uv pip compile - $(LOCK) --output-file requirements-build.lock
	uv pip compile pyproject.toml --extra dev $(LOCK) --output-file requirements.lock

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache
