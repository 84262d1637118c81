# What is done over and over: `make check` is what has to pass before anything is merged.

BIN := .venv/bin

.PHONY: install check test lint format types bench docs

install:
	python3 -m venv .venv
	$(BIN)/pip install -q -e '.[dev]'

check: lint types test

test:
	$(BIN)/pytest

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types:
	$(BIN)/mypy

docs:
	$(BIN)/python docs/generate.py

bench:
	$(BIN)/python tests/benchmarks/compare.py --rounds 3
