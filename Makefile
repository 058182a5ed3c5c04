.DEFAULT_GOAL := help
.PHONY: help install demo test lint wheel-test prove-kills prove-faults prove-forecast bench-migration bench-help bench-sweep results-six-zones lock system-programs clean

BIN := .venv/bin
INSTALLED := .venv/.installed

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(INSTALLED) ## install ga and its pinned tools into .venv

demo: install system-programs ## run a job that moves between three sites of this machine
	$(BIN)/ga run sample-configs/demo.yaml

test: lint system-programs ## everything that CI checks in the checkout
	$(BIN)/pytest -n 2 --dist loadgroup

lint: install ## format, lint, types and import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

wheel-test: install system-programs ## install the built wheel into an empty environment and run the demo from there
	sh scripts/wheel-test.sh

prove-kills: install system-programs ## kill ga at random moments of real runs, and check what they end with
	PYTHONPATH=tests $(BIN)/python tests/prove/kills.py

prove-faults: install system-programs ## let real jobs fail, be killed and be cut off; kill the controller at every pair of points
	$(BIN)/pytest -n 2 --dist loadgroup -m prove

prove-forecast: install ## back-test the built-in forecast on all zones of ../shared/traces
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python tests/prove/backtest.py

bench-migration: install system-programs ## measure for how long a job that moves does not train
	PYTHONPATH=tests $(BIN)/python tests/prove/migration.py

bench-help: install ## time `ga --help`, and show what it imports
	$(BIN)/python scripts/bench_help.py

bench-sweep: install ## time sweeps of thresholds, as Markdown
	$(BIN)/python scripts/bench_sweep.py

results-six-zones: install ## compare all policies in six zones on ../shared/traces, for docs/results.md
	mkdir -p build
	COLUMNS=112 $(BIN)/ga simulate sample-configs/six-zones.yaml --traces ../shared/traces/carbon \
		--csv build/six-zones.csv --charts build/six-zones

lock: install ## write requirements.txt anew from pyproject.toml, keeping versions that still fit
	$(BIN)/uv pip compile pyproject.toml --extra all --group dev --universal --fork-strategy fewest \
		--python-version 3.11 --generate-hashes --no-emit-index-url -o requirements.txt --quiet

clean: ## remove caches and build outputs; .venv stays
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

system-programs:
	@sh scripts/system-programs.sh

$(INSTALLED): pyproject.toml requirements.txt scripts/bootstrap.sh
	@sh scripts/bootstrap.sh
	@touch $@
