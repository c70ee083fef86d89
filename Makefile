# The front door: every target is one word, `make help` lists them. Meson does the building.
BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
MESON_FLAGS ?=
PYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)
LIKELY = $(BUILD)/src/cli/likely

.PHONY: all build deps demo test bench check install uninstall dist clean help
.NOTPARALLEL:

all: build ## Build the libraries and the command (plain: meson setup build && ninja -C build)

deps: ## Install the Debian packages that are missing (root), or print the command that does
	@tools/deps build figure test

build: $(BUILD)/build.ninja
	@ninja -C $(BUILD)

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix=$(PREFIX) $(MESON_FLAGS)

demo: deps $(BUILD)/build.ninja ## The main job on the bundled Old Faithful data: fit, info, density, cluster, sample, a figure
	@ninja -C $(BUILD) src/cli/likely
	@examples/demo $(LIKELY) $(BUILD)/demo

test: deps build ## Build and run all tests; ends with "N passed, N failed"
	@$(PYTHON) tools/run_tests $(BUILD)

check: ## The project's own rules: layers, symbols, comments, names
	@$(PYTHON) tools/check_all $(BUILD)

bench: ## Measure against the peers of other projects (installs them) and show bench/results.csv's figures
	@tools/deps build figure test bench
	@$(MAKE) --no-print-directory build
	@bench/run $(BUILD)

install: build ## Install under PREFIX (default /usr/local), staged under DESTDIR if given
	@meson configure $(BUILD) -Dprefix=$(PREFIX)
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --quiet
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

uninstall: ## Remove what `make install` put there
	@ninja -C $(BUILD) uninstall

dist: $(BUILD)/build.ninja ## Pack the committed sources into $(BUILD)/meson-dist
	@meson dist -C $(BUILD) --no-tests --formats gztar

clean: ## Remove the build folder
	@rm -rf $(BUILD)

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
