# `make help` lists the targets. On a fresh Debian 12 machine with the Swift toolchain, `make train`
# and `make test` install everything else that they need.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

RANKS ?= 8
KILLS ?= 50
SEED ?= 1
ARGS ?=
RELEASE := .build/release
# The compiler takes colours as a flag: by default, a terminal and a pipe would each rebuild
# everything.
BUILD := swift build -c release --no-color-diagnostics --explicit-target-dependency-import-check error

# The libraries, as pkg-config knows them, and Debian's packages of them.
PKG_CONFIG := ompi-c openblas libcrypto zlib
PACKAGES := libopenmpi-dev openmpi-bin libopenblas-dev libssl-dev zlib1g-dev pkg-config
FASHION_MNIST := /usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz
PREFIX ?= $(HOME)/.local
PROGRAMS := $(notdir $(wildcard Sources/swift-mfac-*))
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

.PHONY: help setup fashion-mnist build train test check-manual torture test-slurm test-hosts simulate \
  compare compare-optimizers bench-networks scaling data-mnist docs install lint format clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-18s %s\n' "$$name" "$$text"; done

setup: ## Find the libraries by pkg-config; on Debian install the missing ones
	@missing=$$(for program in mpirun pkg-config; do command -v $$program >/dev/null || echo $$program; done; \
	  for library in $(PKG_CONFIG); do pkg-config --exists $$library 2>/dev/null || echo $$library; done); \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if command -v apt-get >/dev/null; then $(call need,$(PACKAGES)); exit 0; fi; \
	echo "make: not found: $$(echo $$missing). Expected Open MPI 4 (ompi-c), OpenBLAS (openblas), OpenSSL" \
	  "(libcrypto), zlib and pkg-config: load their modules, or add their lib/pkgconfig to PKG_CONFIG_PATH." >&2; \
	exit 1

# Installs the missing ones of these packages.
define need
missing=$$(for p in $(1); do \
    [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null)" = installed ] || echo $$p; \
  done | xargs); \
if [ -n "$$missing" ]; then $(call install,$$missing); fi
endef

# Prints the command line before running it.
define install
line="$(SUDO) apt-get update -qq && $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $(1)"; \
echo "$$line"; eval "{ $$line; } >/dev/null"
endef

fashion-mnist: setup
	@[ -e $(FASHION_MNIST) ] || ! command -v apt-get >/dev/null || \
	  { $(call install,dataset-fashion-mnist); } || true

build: setup ## Build in release mode
	@$(BUILD)

train: fashion-mnist build ## Train on Fashion-MNIST with RANKS=8 ranks; ARGS="…" for more settings
	@if [ -e $(FASHION_MNIST) ]; then \
	  settings="--dataset fashion-mnist"; \
	else \
	  echo "Fashion-MNIST cannot be had (Debian's dataset-fashion-mnist): the embedded digits then."; \
	  settings="--dataset digits --batch-size 32 --epochs 6"; \
	fi; \
	Launch/local.sh -n $(RANKS) $(RELEASE)/swift-mfac-train $$settings $(ARGS)

test: fashion-mnist ## Run every test
	@$(BUILD) --build-tests
	@Tests/run.sh

check-manual: fashion-mnist build ## Run the manual's commands again and compare their numbers (3 min)
	@Tests/Documentation/run.py $(RELEASE)

torture: setup ## Kill runs at random moments, KILLS=50 times; each must end with the same bytes
	@$(BUILD) --build-tests
	@TORTURE_KILLS=$(KILLS) TORTURE_SEED=$(SEED) Tests/run.sh --filter TortureTests

test-slurm: build ## Run both Slurm scripts on a Slurm of two nodes on this machine (root)
	@$(call need,slurm-wlm slurm-wlm-basic-plugins munge iproute2)
	@$(SUDO) Tests/Launch/slurm.sh $(RELEASE)/swift-mfac-train

test-hosts: build ## Run on two hosts in network namespaces, and cut the cables between them (root)
	@$(call need,iproute2)
	@$(SUDO) Tests/Launch/hosts.sh $(RELEASE)/swift-mfac-train

simulate: ## Time the exchanges on 16 and 64 simulated ranks; SIMULATE=all: up to 4096, hours
	@$(call need,libsimgrid-dev python3)
	@Tests/Simulation/build.sh .build/simulation
	@Tests/Simulation/run.py .build/simulation $(if $(filter all,$(SIMULATE)),16 64 256 1024 4096,$(SIMULATE))

compare: fashion-mnist build ## M-FAC, SGD, AdamW and Muon on Fashion-MNIST, in one table (RANKS=2)
	@Launch/compare.sh $(RELEASE)/swift-mfac-train cnn

compare-optimizers: fashion-mnist data/kjv.txt build ## All optimizers on resnet20 and gpt-mini (RANKS=2)
	@Launch/compare.sh $(RELEASE)/swift-mfac-train resnet20
	@Launch/compare.sh $(RELEASE)/swift-mfac-train gpt-mini

data/kjv.txt: # The King James Bible, of Debian
	@$(call need,bible-kjv)
	@mkdir -p data
	@bible -f gen1:1-rev22:21 | cut -d' ' -f2- > $@.part && mv $@.part $@

bench-networks: build ## Time the networks on one core, and PyTorch's if python3 has it
	@Launch/bench-networks.sh $(RELEASE)/swift-mfac-bench $(ARGS)

scaling: build ## Measure how steps scale on this machine, with the prediction (RANKS="1 2 4")
	@$(if $(filter file,$(origin RANKS)),,RANKS="$(RANKS)") \
	  Launch/scaling.sh $(RELEASE)/swift-mfac-bench $(ARGS)

data-mnist: ## Fetch MNIST by pip into data/mnist, for --dataset mnist
	@Launch/data-mnist.sh data/mnist

docs: build ## Manual pages, shell completions and the library's pages, in .build
	@Launch/docs.sh $(RELEASE) .build
	@echo "python3 -m http.server -d .build/docs, then http://localhost:8000/documentation/mfac"

install: docs ## Install programs, manual pages and completions under PREFIX=~/.local
	@to=$(DESTDIR)$(PREFIX); share=$$to/share; completions=.build/completions; \
	install -D -t $$to/bin $(PROGRAMS:%=$(RELEASE)/%); \
	install -D -m 644 -t $$share/man/man1 .build/man/*.1; \
	install -D -m 644 -t $$share/bash-completion/completions $(PROGRAMS:%=$$completions/%); \
	install -D -m 644 -t $$share/zsh/site-functions $$completions/_*; \
	install -D -m 644 -t $$share/fish/vendor_completions.d $$completions/*.fish; \
	echo "installed in $$to/bin and $$share"

lint: ## Check the format of the sources, imports, file access, flags in the library and comments
	@swift format lint --strict --recursive Package.swift Sources Tests Launch
	@! LC_ALL=C.UTF-8 grep -rnE '.{101}' Package.swift Sources Tests Launch .ci/run \
	  --include=Package.swift --include=run $(addprefix --include=*.,swift c h sh py sbatch) \
	  --exclude=TorchLayers.swift
	@$(call no-import,COpenMPI,$(filter-out Sources/MPI,$(MODULES)))
	@$(call no-import,COpenBLAS|CKernels,$(filter-out Sources/LinearAlgebra,$(MODULES)))
	@$(call no-import,CStart,$(filter-out Sources/ProgramOptions,$(MODULES)))
	@$(call no-import,MPI|Optimizers|Training,$(addprefix Sources/,Sharding RandomNumbers LinearAlgebra Curvature Networks Formats Datasets))
	@$(call no-import,Networks|Datasets|Training,$(addprefix Sources/,MPI Curvature Formats Optimizers Pruning))
	@$(call no-import,Networks|Optimizers|Pruning|Training,Sources/Checkpoints)
	@$(call no-import,Optimizers|Training,Sources/TrainedModels)
	@$(call no-import,Plots,$(filter-out Sources/swift-mfac-report,$(MODULES)))
	@$(call no-use,$(READS),InputFile.swift AvailableMemory.swift RunLock.swift Launch.swift)
	@$(call no-use,$(WRITES_JSON),JSONText.swift)
	@! grep -rnE '(^|[^-[:alnum:]])--([a-z]|\\\()' $(LIBRARIES) --include='*.swift' --exclude=Color.swift | \
	  grep -v 'srun --mpi'
	@awk 'FNR == 1 { comment = 0 } /^ *\/\/\/? / { if (!comment && $$2 ~ /^(Of|What|Whether|Those|Where)$$/) \
	  { print FILENAME ":" FNR ": a comment begins with " $$2; bad = 1 } comment = 1; next } { comment = 0 } \
	  END { exit bad }' $$(find Sources Tests Launch -name '*.swift' -o -name '*.[ch]')

MODULES := $(wildcard Sources/*)
# These name settings by their keys, and the programs show them as flags. Color.swift contains CSS
# variables.
LIBRARIES := $(filter-out Sources/swift-mfac-% Sources/ProgramOptions,$(MODULES))
no-import = ! grep -rnE '^(@_exported )?import ($(1))$$' $(2) --include='*.swift'
# The ways to open a file for reading. Only InputFile does, so that ranks compare what they read.
# The exceptions are system files and the lock of a run directory.
READS := \b(f|fd)?open(at)?\(.*(O_RDONLY|"r)|\b(Data|String|NSData|NSString|XMLParser)\(contentsOf|contents\(atPath|FileHandle\(|InputStream\(|\bifstream
WRITES_JSON := JSONEncoder\(|JSONSerialization\.data
no-use = ! grep -rnE '$(1)' Sources --include='*.swift' --include='*.[ch]' $(addprefix --exclude=,$(2)) | \
  grep -v O_DIRECTORY

format: ## Format the sources
	@swift format --in-place --recursive Package.swift Sources Tests Launch

clean: ## Remove what was built; keep runs/ and data/
	@rm -rf .build
