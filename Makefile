# Every command that a person needs. `make help` lists them.
# Build results and tools live outside the checkout, so that a fresh clone is quick.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/sequester
export CARGO_TARGET_DIR ?= $(CACHE)/target
CARGO ?= cargo
DENY_VERSION := 0.20.2
DENY := $(CACHE)/tools/bin/cargo-deny

.PHONY: help demo demo-down test emulator-test test-core test-long model bench generate fmt lint deny

help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

demo: ## a whole case on a real API server and an AWS emulator; KEEP=1 leaves it up
	@KEEP=$(KEEP) sh tests/demo/run.sh

demo-down: ## end what KEEP=1 left up
	@sh tests/demo/down.sh

test: ## all tests; minutes, and some more the first time (control plane, emulator, AWS SDK)
	$(CARGO) test
	$(MAKE) emulator-test

emulator-test: ## the emulator's patches, each against the AWS page that it follows
	"$$(sh tests/support/emulator.sh)" -m unittest discover -q -s tests/support/emulator/tests -t tests/support/emulator

test-core: ## what needs neither AWS SDK nor servers; seconds
	$(CARGO) test --no-default-features

test-long: ## every crash point instead of a sample
	SEQUESTER_CRASHES=all $(CARGO) test --test scenarios -- crash --nocapture

model: ## the shipped decisions under a model checker, and seeded bugs; 5 minutes (SEQUESTER_MODEL=wide: longer)
	$(CARGO) test --no-default-features --test model -- --include-ignored --nocapture --test-threads 1

bench: ## time to containment against its serial floor, and what reading evidence takes; minutes
	CARGO_PROFILE_DEV_OPT_LEVEL=2 $(CARGO) test --quiet --test bench

generate: ## crds/ and docs/ from the source
	$(CARGO) run --quiet --no-default-features --bin crdgen -- crds --docs docs

fmt: ## format
	$(CARGO) fmt --all

lint: ## format, clippy and rustdoc, warnings as errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --no-deps --document-private-items

deny: $(DENY) ## licences, banned crates, sources
	$(DENY) --all-features check licenses bans sources

$(DENY):
	@echo "builds cargo-deny $(DENY_VERSION): about 4 minutes on 2 cores, once" >&2
	CARGO_TARGET_DIR=$(CACHE)/tools/target $(CARGO) install cargo-deny --version $(DENY_VERSION) --locked --root $(CACHE)/tools
	rm -rf $(CACHE)/tools/target
