# Each target creates .venv, installs what it needs, and does neither twice.
PYTHON ?= python3
BIN := .venv/bin
EPOCHS ?= 30
JOBS ?= 2

.PHONY: train test slow lint mutants clean

train: .venv/train.installed
	$(BIN)/python train_poems.py --epochs $(EPOCHS) $(ARGS)

test: .venv/test.installed
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

slow: .venv/test.installed
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: .venv/lint.installed
	$(BIN)/python -m flake8 scratch_lstm torch_ref derivations tests train_poems.py
	$(BIN)/python -m mypy

mutants: .venv/mutants.installed
	rm -rf mutants
	$(BIN)/python -m mutmut run --max-children $(JOBS) $(MUTANTS)
	$(BIN)/python tests/check_mutants.py

.venv/train.installed: EXTRAS = corpus,plots
.venv/test.installed: EXTRAS = corpus,fast,plots,torch,test
.venv/lint.installed: EXTRAS = lint
.venv/mutants.installed: EXTRAS = fast,torch,test,mutants

.venv/%.installed: setup.cfg pyproject.toml | .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[$(EXTRAS)]"
	touch $@

.venv:
	$(PYTHON) -m venv .venv

clean:
	rm -rf .venv build mutants *.egg-info .pytest_cache .mypy_cache .hypothesis
