# make demo               everything it needs, then the whole stack with generated headlines; Ctrl-C stops it
# make demo STREAM=FILE   the same, with a file of documents (JSON Lines, .gz too) on the file's own clock
# make check              linters, types, layers
# make test               the tests, with the real servers that they need
# make bench              the table of speeds

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

# ONNX Runtime reports to its maker unless it is told not to.
export ORT_DISABLE_TELEMETRY := 1

.DEFAULT_GOAL := help
.PHONY: help demo install check test bench

help:
	@sed -n '/^$$/q; s/^# //p' Makefile

demo: $(VENV)/installed-demo
ifdef STREAM
	FINSENTRY_CLOCK=stream $(BIN)/finsentry up --source "$(STREAM)"
else
	$(BIN)/finsentry up --source generator
endif

install: $(VENV)/installed-dev

check: $(VENV)/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest $(TESTS)

bench: $(VENV)/installed-dev
	$(BIN)/python -m bench

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed-demo: pyproject.toml | $(BIN)/python
	@echo "· installing finsentry into $(VENV)/ (a few minutes the first time)"
	$(PIP) install --quiet --editable '.[local,dashboard]'
	@touch $@

$(VENV)/installed-dev: pyproject.toml | $(BIN)/python
	@echo "· installing finsentry and its tests into $(VENV)/ (a few minutes the first time)"
	$(PIP) install --quiet --editable '.[local,dashboard,dev]'
	@touch $@ $(VENV)/installed-demo
