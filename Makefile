# Everything that a developer runs. Needs Python 3.10+, a Rust toolchain and make; the rest is set up on first use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(or $(shell command -v uv),$(BIN)/uv)
RUST_SOURCES := $(shell find rust -name '*.rs' -o -name '*.toml') Cargo.toml Cargo.lock rust-toolchain.toml

.PHONY: help demo test lint format build wheel bench docs
.DEFAULT_GOAL := help

help: ## List these targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10

demo: $(VENV)/.built ## Model the synthetic example and print how much of it was recovered
	$(BIN)/emodelx demo --output build/demo

test: lint ## Run everything that continuous integration runs
	cargo test -p emodelx-core --locked --release
	$(BIN)/pytest

lint: $(VENV)/.built ## Check format, style and types, of Rust and Python; warnings are errors
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --release -- -D warnings
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright --warnings
	$(BIN)/python -m mypy.stubtest emodelx._core --allowlist tests/guards/stubtest_allowlist.txt

format: $(VENV)/.installed ## Rewrite the sources in the project's format
	cargo fmt --all
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

build: $(VENV)/.built ## Create the environment and build the extension

wheel: $(VENV)/.installed ## Build the wheel and run the demo from it in an empty environment
	rm -rf dist
	$(BIN)/maturin build --release --out dist
	tests/wheel/check.sh dist/*.whl $(BIN)/python $(UV)

bench: $(VENV)/.built ## Measure the Rust core and the Python package
	cargo bench --locked -p emodelx-core
	$(BIN)/pytest benches --benchmark-only

docs: $(VENV)/.built ## Write the help texts of every command to docs/cli
	$(BIN)/python docs/write_cli_help.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "emodelx needs Python 3.10 or newer: make PYTHON=...")'
ifeq ($(UV),$(BIN)/uv)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet uv
else
	$(UV) venv --quiet --python $(PYTHON) $(VENV)
endif

$(VENV)/.installed: requirements-dev.txt | $(BIN)/python
	$(UV) pip install --quiet --python $(BIN)/python -r requirements-dev.txt
	touch $@

$(VENV)/.built: $(VENV)/.installed $(RUST_SOURCES) pyproject.toml
	PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" $(BIN)/maturin develop --release --uv --quiet
	touch $@
