# Everything a person needs to build, try and test syncd. `make help` lists it.
PYTHON ?= python3.11
VENV   ?= .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
TESTS  ?= tests

.PHONY: help demo test defences lint bench soak bed clean
help:             ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "syncd needs $(PYTHON) on the PATH (or: make PYTHON=/path/to/python)"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,lint]'
	@touch $@

demo: $(STAMP)    ## the whole job, both models, on an embedded world on loopback, a minute and a half
	$(BIN)/syncd demo

test: $(STAMP)    ## all tests (TESTS="tests/unit" for less); what this machine lacks is skipped with the reason and a count
	$(BIN)/python -m pytest $(TESTS) -m 'not long'

defences: $(STAMP) ## take each defence of docs/faults.md away and see its test fail (half an hour)
	$(BIN)/python -m tests.defences

lint: $(STAMP)    ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP)   ## measure the budgets, and the peers, into bench/RESULTS.md (about 20 minutes)
	$(BIN)/python -m bench

soak: $(STAMP)    ## the long tests, then all faults at random on real servers for an hour (SOAK="600" for less); not part of CI
	$(BIN)/python -m pytest tests -m long
	$(BIN)/python -m tests.soak $(SOAK)

bed: $(STAMP)     ## build the real servers (kube-apiserver, etcd, Elasticsearch) into a cache folder
	$(BIN)/python -m tests.bed build

clean:            ## remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
