# Every command of the project. `make` alone lists them; each one sets up .venv first if it has to.
PYTHON ?= python3
VENV   ?= .venv
# Flags for the installation of torch alone, instead of the build that suits the machine (see README).
TORCH_FLAGS ?=
JOBS   ?= 2

# What the reader gives is data: neither make nor a shell looks into it. `value` keeps make from expanding it, and the
# recipes read it from their environment ("$$DATASET"), which a shell does not expand twice.
GIVEN := DATASET PROTOCOL SEEDS GTZAN GENIUS FILTERED ONLY LABELS LYRICS REPOSITORY VERSION
$(foreach name,$(GIVEN),$(eval override $(name) := $$(value $(name))))
export $(GIVEN)

BIN := $(VENV)/bin
PY  := $(BIN)/python
SET_UP_BY := requirements.lock pyproject.toml tools/lock.toml
STAMP := $(VENV)/.stamp-$(shell cat $(SET_UP_BY) | cksum | cut -d' ' -f1)

BOOK_OPTIONS = $(if $(DATASET),--dataset="$$DATASET") $(if $(PROTOCOL),--protocol="$$PROTOCOL") $(if $(SEEDS),--seeds="$$SEEDS")

export OMP_NUM_THREADS ?= 1
export MKL_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup book test data results bench address release sync check lock screenshots clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## install everything into .venv (the other commands do it by themselves)

$(STAMP): | $(SET_UP_BY)
	@command -v "$(PYTHON)" >/dev/null || { echo "there is no $(PYTHON) here: name another, say make PYTHON=python3.12" >&2; exit 1; }
	@"$(PYTHON)" tools/install.py "$@" --torch-flags="$(TORCH_FLAGS)"

book: $(STAMP) ## run the notebooks and build _build/html (DATASET=… PROTOCOL=… SEEDS=… LABELS=… LYRICS=…)
	@HELPERS_LABELS="$${LABELS:-$$HELPERS_LABELS}" HELPERS_LYRICS="$${LYRICS:-$$HELPERS_LYRICS}" \
		$(PY) tools/build_book.py --jobs $(JOBS) $(BOOK_OPTIONS)

test: $(STAMP) ## unit tests, pairs, and every notebook under nbmake
	LOKY_MAX_CPU_COUNT=1 TQDM_DISABLE=1 $(PY) -m pytest --nbmake -n $(JOBS) --dist loadfile tests notebooks

data: $(STAMP) ## make data/gtzan.csv from the full GTZAN (GTZAN=your folder or archive), data/msd_*.parquet (MSD=folder)
	@$(PY) -m musicbook data $(if $(GTZAN),--gtzan="$$GTZAN") $(if $(GENIUS),--genius="$$GENIUS") $(if $(MSD),--msd="$$MSD") || \
		[ $$? -eq 3 ]  # 3: files were left out, and named; Kaggle's copy always has one

results: $(STAMP) ## the published runs: data/results/ (resumes; DATASET=… SEEDS=… ONLY="released-3 collapse" FILTERED=folder)
	@$(PY) -m musicbook.make_results --jobs $(JOBS) --seeds="$${SEEDS:-10}" $(if $(DATASET),--dataset="$$DATASET") \
		$(if $(FILTERED),--filtered="$$FILTERED") $(if $(ONLY),--only $$ONLY)

bench: $(STAMP) ## time the extractor, the training and the pages
	@for script in bench/*.py; do echo "== $$script"; $(PY) $$script || exit 1; done

address: $(STAMP) ## point every copy of the repository's address to yours (REPOSITORY=…, or the remote `origin`)
	@$(PY) tools/address.py $(if $(REPOSITORY),"$$REPOSITORY")

release: $(STAMP) ## check and tag a release (VERSION=1.2.0)
	@$(PY) tools/release.py "$${VERSION:-none}"

sync: $(STAMP) ## rewrite every notebooks/*.ipynb from its .py
	@$(PY) -m jupytext --quiet --to ipynb --update notebooks/*.py
	@$(PY) -m nbstripout --keep-id notebooks/*.ipynb

check: $(STAMP) ## format and rules (ruff), types (mypy) and the pairs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(PY) -m mypy
	@$(PY) tools/pairs.py

lock: $(STAMP) ## rewrite requirements.lock from pyproject.toml (UPGRADE=1 takes newer versions)
	@$(PY) tools/lock.py $(if $(UPGRADE),--upgrade)

screenshots: $(STAMP) ## photograph every page of the built book (needs chromium)
	@$(PY) tools/screenshots.py

clean: ## remove what was built, fits included
	rm -rf _build
