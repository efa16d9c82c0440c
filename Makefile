# Every goal sets up what it needs: a virtual environment in .venv with the pinned dependencies.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test check chromium bench clean

demo: .venv/ready ## Sweep JPaxos and S-Paxos over the clients; print a table, write the report
	$(BIN)/paxoscope run demo

test: check chromium ## All checks and all tests
	$(BIN)/pytest --numprocesses=2

check: .venv/ready ## Style, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

chromium: ## For the tests in a browser: installed where it is missing and may be
	@command -v chromium > /dev/null || \
		{ [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -yq chromium; } > /dev/null 2>&1 || \
		echo "There is no chromium, and it cannot be installed here: the tests in a browser are skipped."

bench: .venv/ready ## What the protocols reach on this machine
	$(BIN)/paxoscope bench

clean: ## Remove the virtual environment and what the tools left
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info

.venv/ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "paxoscope needs Python 3.11 or newer; $$($(PYTHON) --version 2>&1) found. Try make PYTHON=python3.12"; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
