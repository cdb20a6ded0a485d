# Each target is one line that calls a script in hack/; read the script for what it does.
.PHONY: build install test test-unit test-root demo bench lint fuzz-short golden help
.DEFAULT_GOAL := build

build: ## build static bin/runtime, bin/image and bin/redis
	@hack/build

install: ## copy runtime and image, manual pages and completion below $(DESTDIR)$(PREFIX) (PREFIX=/usr/local)
	@hack/install

test: ## everything: lint, unit, arm64, fuzz-short and root tests, with counts at the end
	@hack/test all

test-unit: ## package tests with the race detector, and the repository's own rules
	@hack/test unit

test-root: ## integration tests: real containers, real peers (needs root)
	@hack/test root

demo: ## pack, serve, pull and run a small image, step by step (needs root)
	@hack/demo

bench: ## measure against the newest peers, about half an hour; writes docs/benchmarks/ (needs root)
	@hack/bench/run

lint: ## gofmt, go vet, staticcheck, shellcheck
	@hack/test lint

fuzz-short: ## every fuzz test for a few seconds (FUZZTIME=5s)
	@hack/test fuzz

golden: ## rewrite golden files, docs/reference and docs/man
	@hack/golden

help: ## this list
	@hack/help
