# Every command of the project. `make` alone lists them; each one sets up .venv first if it has to.
PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= torch==2.13.0
# Flags for the installation of torch alone, e.g. TORCH_FLAGS="--index-url <CPU index>" (see README).
TORCH_FLAGS ?=
UV_VERSION := 0.13.9
JOBS   ?= 2

BIN := $(VENV)/bin
PY  := $(BIN)/python
KEY := $(shell cat requirements.lock pyproject.toml | cksum | cut -d' ' -f1)
STAMP := $(VENV)/.stamp-$(KEY)
# pip reads its own configuration; uv does not, so hand pip's find-links to it.
FIND_LINKS = $(or $(PIP_FIND_LINKS),$(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null))
UV  = $(PY) -m uv pip install --quiet --python $(PY) --compile-bytecode

BOOK_OPTIONS = $(if $(DATASET),--dataset "$(DATASET)") $(if $(PROTOCOL),--protocol "$(PROTOCOL)") $(if $(SEEDS),--seeds "$(SEEDS)")

export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup book test data results bench sync types check lock pdf screenshots clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## install everything into .venv (the other commands do it by themselves)

$(STAMP): | requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11, 5) and "Python 3.11.5 or newer is needed; name one: make PYTHON=python3.12")'
	@echo "setting up $(VENV) (a few minutes the first time)"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@$(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(UV) $(addprefix --find-links ,$(FIND_LINKS)) $(TORCH_FLAGS) "$(TORCH)"
	@$(UV) --require-hashes --no-deps -r requirements.lock
	@$(UV) --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.stamp-* && touch $(STAMP)

book: $(STAMP) ## run the notebooks and build _build/html (DATASET=… PROTOCOL=… SEEDS=…)
	@$(PY) tools/build_book.py --jobs $(JOBS) $(BOOK_OPTIONS)

test: $(STAMP) ## unit tests, pairs, and every notebook under nbmake
	$(PY) -m pytest -n $(JOBS) --dist loadfile
	LOKY_MAX_CPU_COUNT=1 TQDM_DISABLE=1 $(PY) -m pytest --nbmake --nbmake-timeout=900 -n $(JOBS) notebooks/

data: $(STAMP) ## make data/gtzan.csv from the full GTZAN (GTZAN=your folder or archive)
	@$(PY) -m helpers data $(if $(GTZAN),--gtzan "$(GTZAN)") $(if $(GENIUS),--genius "$(GENIUS)") || \
		[ $$? -eq 3 ]  # 3: files were left out, and named; Kaggle's copy always has one

results: $(STAMP) ## the published runs: data/results/ (resumes; DATASET=… SEEDS=… ONLY="released-3 collapse" FILTERED=folder)
	@$(PY) -m helpers.published.grids --jobs $(JOBS) --seeds $(or $(SEEDS),10) $(if $(DATASET),--dataset "$(DATASET)") \
		$(if $(FILTERED),--filtered "$(FILTERED)") $(if $(ONLY),--only $(ONLY))

bench: $(STAMP) ## time the extractor, the training and the pages
	@for script in bench/*.py; do echo "== $$script"; $(PY) $$script || exit 1; done

sync: $(STAMP) ## rewrite every notebooks/*.ipynb from its .py
	@$(PY) tools/sync.py

types: $(STAMP) ## type errors that mypy finds (not yet clean, so no part of `check`)
	$(PY) -m mypy

check: $(STAMP) ## ruff and the pairs
	$(BIN)/ruff check .
	@$(PY) tools/sync.py --check

lock: $(STAMP) ## rewrite requirements.lock from pyproject.toml (UPGRADE=1 takes newer versions)
	@$(PY) tools/lock.py $(if $(UPGRADE),--upgrade)

pdf: $(STAMP) ## print the built book to _build/book.pdf, and link the site to it (needs chromium)
	@$(PY) tools/pdf.py

screenshots: $(STAMP) ## photograph every page of the built book (needs chromium)
	@$(PY) tools/screenshots.py

clean: ## remove what was built, fits included
	rm -rf _build
