# Each target creates .venv, installs what it needs, and does neither twice.
PYTHON ?= python3
BIN := .venv/bin
RECIPE ?= best
THREADS ?= 2
JOBS ?= 2
EXAMPLES ?= 1000
PORT ?= 8000
QUICK := $(shell grep -l "pytest.mark.quick" tests/test_*.py)

.PHONY: help train test quick slow gpu fuzz lint mutants dist wheel site site-serve site-test clean

help:
	@echo "make train    train on Tang quatrains, then write poems (RECIPE=course, EPOCHS=3, THREADS=1, ARGS=...)"
	@echo "make quick    the core in seconds: chain, cell, layers, optimiser, gradient check; without torch"
	@echo "make test     every test but the slow ones, on JOBS=2 processes"
	@echo "make slow     the slow tests"
	@echo "make gpu      on a machine with an NVIDIA GPU: all checks and timings, in gpu-report.json"
	@echo "make fuzz     random files, run folders, flags and prompts (EXAMPLES=1000 of each kind)"
	@echo "make lint     ruff and mypy"
	@echo "make mutants  change the code one place at a time; the tests must notice (a long run)"
	@echo "make dist     sdist and wheel in dist/"
	@echo "make wheel    install the wheel into an empty environment and use it"
	@echo "make site     the pages, the reference and the delta explorer in site/, in both languages (RUN=runs/NAME)"
	@echo "make site-serve  show it on this machine alone, at port PORT=8000"
	@echo "make site-test   look at every page in a headless Chromium, if there is one"
	@echo "make clean    remove all that was made"

train: .venv/train.installed
	$(BIN)/python train_poems.py --recipe $(RECIPE) --threads $(THREADS) \
		$(if $(EPOCHS),--epochs $(EPOCHS)) $(ARGS)

test: .venv/test.installed
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) $(ARGS)

quick: .venv/quick.installed
	$(BIN)/python -m pytest -q -m "quick and not torch and not slow" $(QUICK) $(ARGS)

slow: .venv/test.installed
	$(BIN)/python -m pytest -m slow $(ARGS)

gpu: .venv/test.installed
	$(BIN)/python tests/gpu_report.py $(ARGS)

fuzz: .venv/test.installed
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/python -m pytest -s tests/test_fuzz.py $(ARGS)

lint: .venv/lint.installed
	$(BIN)/python -m ruff check
	$(BIN)/python -m mypy

mutants: .venv/mutants.installed
	rm -rf mutants
	$(BIN)/python -m mutmut run --max-children $(JOBS) scratch_lstm.functional.x_sigmoid__mutmut_1
	$(BIN)/python tests/run_mutants.py --jobs $(JOBS) $(MUTANTS)
	$(if $(MUTANTS),,$(BIN)/python tests/mutate_kernels.py --jobs $(JOBS))
	$(BIN)/python tests/check_mutants.py

dist: .venv/dist.installed
	rm -rf dist
	$(BIN)/python -m build

wheel: dist
	$(BIN)/python tests/check_wheel.py dist/*.whl

site: .venv/site.installed
	$(BIN)/python web/build.py $(RUN)

site-serve: site
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory site $(PORT)

site-test: site .venv/site-test.installed
	$(BIN)/python -m pytest -m site web/test_site.py $(ARGS)

.venv/train.installed: WANTED = ".[corpus,fast,plots,rhyme]"
.venv/quick.installed: WANTED = ".[fast]" --group tests
.venv/test.installed: WANTED = ".[corpus,fast,plots]" --group tests --group torch --group cupy
.venv/lint.installed: WANTED = . --group lint
.venv/mutants.installed: WANTED = ".[corpus,fast,plots]" --group tests --group torch --group cupy --group mutants
.venv/dist.installed: WANTED = . --group dist
.venv/site.installed: WANTED = ".[corpus,fast]" --group site
.venv/site-test.installed: WANTED = ".[corpus,fast]" --group site --group site-test

.venv/%.installed: setup.cfg pyproject.toml | .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable $(WANTED)
	touch $@

# pip knows dependency groups from 25.1 on
.venv:
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check "pip>=25.1"

clean:
	rm -rf .venv build dist mutants site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
