# make run     the bundled edition, from a bare machine to the report
# make test    everything that CI runs
# make book    the book edition (set KERASBOOK_MIRROR to a folder that has the data)
# make ui      the MLflow UI on what was run
# make bench   the speed and memory figures
# make pages   the pages of a finished run (EDITION=bundled) before validators and a browser

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CORES ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
PORT ?= 5000
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes

EDITION ?= bundled
PAGES := tests/pages/node_modules

.PHONY: run book test lint unit pages bench ui schemas locks clean
.DEFAULT_GOAL := run

$(VENV)/run.stamp: envs/cpu.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) and "kerasbook needs Python 3.11, 3.12 or 3.13, found " + sys.version.split()[0] + "; set PYTHON=/path/to/python3.11")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the locked packages into $(VENV) (a minute or two, once)."
	@$(PIP) -r envs/cpu.lock
	@touch $@

$(VENV)/test.stamp: envs/test.lock $(VENV)/run.stamp
	@$(PIP) -r envs/test.lock
	@touch $@

run: $(VENV)/run.stamp
	@$(BIN)/snakemake --cores $(CORES) --quiet rules
	@echo
	@echo "Report:     results/bundled/index.html"
	@echo "MLflow UI:  make ui    (then open http://127.0.0.1:$(PORT))"

book: $(VENV)/run.stamp
	@$(BIN)/snakemake --cores $(CORES) --quiet rules --configfile config/book.yaml
	@echo
	@echo "Report:     results/book/index.html"
	@echo "MLflow UI:  make ui    (then open http://127.0.0.1:$(PORT))"

ui: $(VENV)/run.stamp
	@echo "MLflow UI: http://127.0.0.1:$(PORT)  (stop it with Ctrl-C)"
	@$(BIN)/mlflow ui --backend-store-uri sqlite:///results/mlflow.db --host 127.0.0.1 --port $(PORT)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint

unit: $(VENV)/test.stamp
	$(BIN)/python -m pytest --numprocesses $(CORES) tests/unit

# The tests of the pages say what they miss and are skipped where these tools cannot be had.
$(PAGES)/.package-lock.json: tests/pages/package-lock.json
	@if command -v npm >/dev/null; then npm --prefix tests/pages ci --silent || echo "npm failed: the pages are not checked in a browser."; fi

# Unit tests in parallel; the others run Snakemake, which uses the cores itself.
test: lint unit $(PAGES)/.package-lock.json
	$(BIN)/python -m pytest -rs tests/reliability tests/workflow

pages: $(VENV)/test.stamp $(PAGES)/.package-lock.json
	@KERASBOOK_PAGES=results/$(EDITION) $(BIN)/python -m pytest -rs tests/workflow/test_pages.py

bench: $(VENV)/run.stamp
	@$(BIN)/python -m benchmarks.run

schemas: $(VENV)/run.stamp
	cd workflow && ../$(BIN)/python -m kerasbook.configuration

# Needs uv; writes no addresses into the locks.
locks:
	cd envs && for kind in cpu gpu; do uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet $$kind.in -o $$kind.lock; done
	cd envs && uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet test.in -c cpu.lock -o test.lock
	$(PYTHON) envs/conda.py

# What a few minutes make anew; the book edition's results and the MLflow store stay.
clean:
	rm -rf results/bundled results/smoke logs/bundled logs/smoke data/processed/bundled data/processed/smoke
