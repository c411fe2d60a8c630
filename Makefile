# demo: run the main job on a synthetic study      test: all tests      check: linters and types
# wheel-check: the built wheel, installed into an empty environment, runs the demo
# test-fast: tests without servers, browser, training and what takes long, in about a minute
# bench: the numbers in the README                 train: the shipped models, from scratch
# docs: the documentation as a site
.DELETE_ON_ERROR:
.PHONY: audit demo test test-fast check wheel-check cases mutations fuzz languages proof-ohif bench chaos soak outages burst bench-page train docs install dev system viewers clean sbom lock images

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
CVAI_DATA ?= ../shared/data
export CVAI_DATA

DEBIAN := orthanc orthanc-dicomweb dcmtk dicom3tools chromium chromium-headless-shell poppler-utils faketime

demo: install
	$(BIN)/cvai demo --once
	$(BIN)/cvai demo --once --modality us

# Two workers a core, since most tests that take long wait for a server; WORKERS=2 where others work on the machine, too.
# Tests of a file go to one worker, files that wait beside files that compute (tests/conftest.py). Every worker and every
# service imports everything, so byte code is kept. nproc would take OMP_NUM_THREADS for the number of cores.
unexport PYTHONDONTWRITEBYTECODE
CORES := $(shell env -u OMP_NUM_THREADS -u OMP_THREAD_LIMIT nproc)
WORKERS ?= $(shell echo $$((2 * $(CORES) < 16 ? 2 * $(CORES) : 16)))
SHARED := --dist loadfile --no-loadscope-reorder

# Tests write 70,000 files of some GB: into memory where 12 GB of it are free, at an eighth of what a disk costs.
MEMORY := $(shell awk '/MemAvailable/ && $$2 > 12000000 {print "/dev/shm"}' /proc/meminfo 2>/dev/null)
IN_MEMORY := $(and $(MEMORY),$(shell [ "$$(df -k --output=avail $(MEMORY) | tail -1)" -gt 8000000 ] && echo $(MEMORY)))
FILES := $(or $(IN_MEMORY),$(TMPDIR),/tmp)
PYTEST = files=$$(mktemp -d -p $(FILES) cvai-tests-XXXXXX) && chmod 755 $$files && trap "rm -rf $$files" EXIT INT TERM \
	&& TMPDIR=$$files $(BIN)/python -m pytest

test: dev system viewers
	$(PYTEST) -n $(WORKERS) $(SHARED)

# Little here waits, so there are three workers for two cores; importing MONAI alone takes seconds, and is left out.
test-fast: dev
	$(PYTEST) -n $$((($(CORES) * 3 + 1) / 2)) $(SHARED) -m "not (servers or browser or training or slow)" \
		--ignore=tests/training --ignore=cvai/training --ignore=tests/notebooks

VIEWERS := tests/js/node_modules/.package-lock.json
TSC := tests/js/node_modules/.bin/tsc

check: dev viewers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@if [ -x $(TSC) ]; then $(TSC) && echo "TypeScript: no issues in the page's modules"; \
	else echo "make check: $(TSC) is not installed (needs npm); types of the page's modules are not checked"; fi

# The wheel analyses a synthetic study, outside this tree, where nothing but it and the packages of the service is installed.
# The environment has not even pip; it is made again when service.txt changes, from the files that make dev has fetched.
WHEEL := build/wheel
IN_EMPTY := $(PIP) --python $(WHEEL)/venv/bin/python

wheel-check: dev $(WHEEL)/.service
	rm -f $(WHEEL)/*.whl
	$(PIP) wheel --quiet --no-index --no-deps --no-build-isolation --wheel-dir $(WHEEL) .
	$(IN_EMPTY) install --quiet --no-index --no-deps --force-reinstall $(WHEEL)/cvai-*.whl
	$(IN_EMPTY) check
	elsewhere=$$(mktemp -d) && cvai=$$PWD/$(WHEEL)/venv/bin/cvai && cd $$elsewhere \
		&& env -u PYTHONPATH $$cvai demo --once && rm -rf $$elsewhere

$(WHEEL)/.service: requirements/service.txt | $(VENV)
	rm -rf $(WHEEL)
	$(PYTHON) -m venv --without-pip $(WHEEL)/venv
	$(IN_EMPTY) install --quiet --require-hashes --only-binary :all: --no-deps --requirement $<
	touch $@

# Studies, images and archives with everyday blemishes: one line a case, right or WRONG; ONLY=NAME for some of them.
CVAI_CASES ?= ../shared/cases
export CVAI_CASES
cases: dev
	$(BIN)/python -m benchmarks.cases $(foreach name,$(ONLY),--only $(name))

# A real study with headers spoiled in 500 ways; make test spoils a dozen.
mutations: dev system
	CVAI_MUTATIONS=500 $(BIN)/python -m pytest -q tests/e2e/test_mutated_headers.py

# 10,000 spoiled files into every way in, and made-up requests to every route of the page; make test sends a few.
fuzz: dev system
	$(BIN)/python -m benchmarks.fuzz
	$(BIN)/python -m benchmarks.fuzz_page

# The catalogues in cvai/languages get the texts that readers see and lose those that are gone: docs/howto/languages.md.
languages: dev
	$(BIN)/python -m benchmarks.languages

# OHIF in front of an Orthanc, in a real browser: docs/reference/viewers.md.
OHIF := build/ohif/package/dist/index.html
proof-ohif: dev system $(OHIF)
	CVAI_OHIF_PICTURES=docs/images $(BIN)/python -m pytest -q tests/e2e/test_ohif.py

$(OHIF):
	mkdir -p build/ohif
	cd build/ohif && npm pack --silent @ohif/app@3.12.10 && tar xzf ohif-app-3.12.10.tgz
	touch $@

# About 20 minutes; on a quiet machine.
bench: dev system
	$(BIN)/python -m benchmarks.stages
	$(BIN)/python -m benchmarks.echo_stages
	$(BIN)/python -m benchmarks.memory
	$(BIN)/python -m benchmarks.event_to_sr
	$(BIN)/python -m benchmarks.side_by_side
	$(BIN)/python -m benchmarks.providers
	$(BIN)/python benchmarks/phantom_ef.py

# First picture, all pictures, frames a second and weight of the reader's page, in a real browser.
bench-page: dev system
	$(BIN)/python -m benchmarks.page

# Ten minutes of a CUDA device, two hours of one core; what is better than the models in place is promoted, and what there
# is without such a device: docs/howto/training.md.
train: dev
	$(BIN)/cvai train configs/train/sax_gpu.toml
	$(BIN)/cvai train configs/train/echo.toml
	$(BIN)/cvai train configs/train/echo_long.toml

# The service alone, every file by its hash: no torch.
install: $(VENV)/.installed

# Service, training and tests; all but torch by hash (requirements/README.md).
dev: $(VENV)/.dev

LOCKED := $(PIP) install --quiet --require-hashes --only-binary :all: --no-deps
SERVICE := --requirement requirements/service.txt --requirement requirements/build.txt

$(VENV)/.installed: pyproject.toml constraints.txt requirements/service.txt requirements/build.txt | $(VENV)
	$(LOCKED) $(SERVICE)
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	$(PIP) check
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt requirements/dev.txt requirements/build.txt | $(VENV)
	$(LOCKED) --requirement requirements/dev.txt --requirement requirements/build.txt
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable '.[dev]'
	touch $@ $(VENV)/.installed

$(VENV):
	$(PYTHON) -m venv $(VENV)

# Real servers and validators for the end-to-end tests; tests that need a missing one say so and skip.
system:
	@if command -v Orthanc >/dev/null && command -v dciodvfy >/dev/null && command -v dcmdump >/dev/null \
		&& command -v chromium >/dev/null && command -v pdftotext >/dev/null && command -v faketime >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(DEBIAN) >/dev/null; \
	else echo "make test: not installing $(DEBIAN) (needs root and apt); tests that need them will skip"; fi

# The loader of web viewers for tests, and TypeScript; without npm what needs them says so and skips.
viewers: $(if $(shell command -v npm),$(VIEWERS))

$(VIEWERS): tests/js/package-lock.json
	cd tests/js && npm ci --silent || echo "$(@D) is not installed; what needs it will skip"

# Known vulnerabilities of the pinned versions. It asks an advisory service, and fails where none answers for a package:
# so it is no part of make test.
audit: $(VENV)
	$(PIP) install --quiet pip-audit==2.10.1 --target build/audit
	PYTHONPATH=build/audit $(BIN)/python -m pip_audit --requirement constraints.txt --no-deps --disable-pip --strict

# CycloneDX bill of materials of the service, after a look at every licence.
sbom: install build/tools/.installed
	build/tools/bin/python requirements/sbom.py $(BIN)/python build/sbom.cdx.json

build/tools/.installed: requirements/tools.txt
	$(PYTHON) -m venv build/tools
	build/tools/bin/python -m pip install --quiet --require-hashes --only-binary :all: --requirement $<
	touch $@

# The documentation as a site in build/site; a broken link or anchor fails.
docs: build/docs/.installed
	NO_MKDOCS_2_WARNING=1 build/docs/bin/mkdocs build --strict

build/docs/.installed: requirements/docs.txt
	$(PYTHON) -m venv build/docs
	build/docs/bin/python -m pip install --quiet --require-hashes --only-binary :all: --requirement $<
	touch $@

# The versions of constraints.txt with the hashes of their files: requirements/README.md.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet pip-tools==7.6.2
	build/lock/bin/python requirements/lock.py

# Digests in place of the tags of images, asked of their registries; needs Docker and a network.
images:
	$(PYTHON) requirements/images.py Dockerfile compose.yaml

# kill -9 at 100 random instants over 20 studies, on both databases.
chaos: dev
	$(BIN)/python -m benchmarks.chaos --database sqlite
	$(BIN)/python -m benchmarks.chaos --database postgres

# 1,000 studies through one service: does anything grow?
soak: dev
	$(BIN)/python -m benchmarks.soak

# 200 studies at once against the same ones analysed back to back, about ten minutes; on a quiet machine.
burst: dev
	$(BIN)/python -m benchmarks.burst

# A real Orthanc stopped, busy, slow, silent or breaking off for 60 s, at each stage of a study's way.
outages: dev system
	$(BIN)/python -m benchmarks.outages

clean:
	rm -rf $(VENV) demo out
