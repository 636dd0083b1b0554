"""The drivers: how each is installed, and the program that speaks it.

Packages come from PyPI, npm and crates.io with pinned versions, and from Debian as they are. What is installed
for Python, Java and Rust goes to `cache`, which git ignores; npm uses its own `node_modules`.
"""

import dataclasses
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable

from rig import HERE, Missing

CACHE = HERE / "cache"
# Seconds for one step of an installation; building the Rust program is the longest.
STEP_MAX = 900


@dataclasses.dataclass(frozen=True)
class Driver:
    name: str
    install: Callable[[], None]
    command: list
    # Whether `--fast` runs it.
    fast: bool = False
    # Whether connections outlive the cases, unless the program is started again for each.
    lasting: bool = False


def run(*command, cwd: pathlib.Path = HERE, **environment) -> None:
    """One step of an installation, with its output only where it fails."""
    try:
        done = subprocess.run(
            command, cwd=cwd, env=os.environ | environment, stdin=subprocess.DEVNULL, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=STEP_MAX,
        )
    except FileNotFoundError as error:
        raise Missing(f"no {command[0]}") from error
    except subprocess.TimeoutExpired as error:
        raise Missing(f"{' '.join(map(str, command))}: not done in {STEP_MAX} s") from error
    if done.returncode:
        raise Missing(f"{' '.join(map(str, command))}: {done.stdout.strip()[-400:]}")


def once(name: str, *sources: pathlib.Path) -> Callable[[Callable[[], None]], None]:
    """Does something again only when one of its sources changed."""

    def decorate(step: Callable[[], None]) -> None:
        digest = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()
        stamp = CACHE / f"{name}.done"
        if stamp.exists() and stamp.read_text() == digest:
            return
        CACHE.mkdir(exist_ok=True)
        step()
        stamp.write_text(digest)

    return decorate


def apt(probe: list, *packages: str) -> Callable[[], None]:
    """Debian's packages, where a command shows that they are not there."""

    def install() -> None:
        def there() -> bool:
            try:
                return subprocess.run(probe, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
            except FileNotFoundError:
                return False

        if there():
            return
        if os.geteuid() != 0 or not shutil.which("apt-get"):
            raise Missing(f"install {' '.join(packages)}")
        run("apt-get", "update", "-q")
        run("apt-get", "install", "-yq", "--no-install-recommends", *packages, DEBIAN_FRONTEND="noninteractive")
        if not there():
            raise Missing(f"{' '.join(map(str, probe))} fails, even with {' '.join(packages)}")

    return install


def python() -> None:
    @once("python", HERE / "python/requirements.txt")
    def _() -> None:
        run(sys.executable, "-m", "venv", "--clear", CACHE / "python")
        run(
            CACHE / "python/bin/pip", "install", "--quiet", "--disable-pip-version-check",
            "--requirement", HERE / "python/requirements.txt",
        )


def speaks_python(name: str, *arguments: str, fast: bool = False) -> Driver:
    program = HERE / "python" / f"{arguments[0]}_program.py"
    return Driver(name, python, [CACHE / "python/bin/python", program, *arguments[1:]], fast)


def node() -> None:
    @once("node", HERE / "node/package-lock.json", HERE / "node/schema.prisma")
    def _() -> None:
        run("npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit", cwd=HERE / "node")
        # A client needs no engine; without this one for migrations would be downloaded.
        run("node_modules/.bin/prisma", "generate", cwd=HERE / "node", PRISMA_SCHEMA_ENGINE_BINARY="/bin/true")


def speaks_node(name: str, *arguments: str, fast: bool = False) -> Driver:
    return Driver(name, node, ["node", HERE / "node" / f"{arguments[0]}_program.mjs", *arguments[1:]], fast)


php = apt(["php", "-r", "exit(extension_loaded('pdo_pgsql') ? 0 : 1);"], "php-cli", "php-pgsql")


def speaks_pdo(name: str, *arguments: str, fast: bool = False) -> Driver:
    lasting = "persistent" in arguments
    return Driver(name, php, ["php", HERE / "php/pdo_program.php", *arguments], fast, lasting)


def ruby(*features: str, packages: tuple) -> Callable[[], None]:
    return apt(["ruby", *(f"-r{feature}" for feature in features), "-e", ""], *packages)


perl = apt(["perl", "-MDBD::Pg", "-e", ""], "libdbd-pg-perl")
ruby_pg = ruby("pg", packages=("ruby", "ruby-pg"))
active_record = ruby("pg", "active_record", packages=("ruby", "ruby-pg", "ruby-activerecord"))
laravel = apt(
    ["php", "-r", "require 'Illuminate/Database/autoload.php'; exit(extension_loaded('pdo_pgsql') ? 0 : 1);"],
    "php-cli", "php-pgsql", "php-illuminate-database",
)
JDBC = pathlib.Path("/usr/share/java/postgresql.jar")


def java() -> None:
    apt(["test", "-e", JDBC], "libpostgresql-jdbc-java")()
    apt(["javac", "-version"], "default-jdk-headless")()
    source = HERE / "java/PgjdbcProgram.java"

    @once("java", source)
    def _() -> None:
        run("javac", "-d", CACHE / "java", "-cp", JDBC, source)


def speaks_java(name: str, parameters: str, fast: bool = False) -> Driver:
    command = ["java", "-XX:TieredStopAtLevel=1", "-cp", f"{CACHE / 'java'}:{JDBC}", "PgjdbcProgram", parameters]
    return Driver(name, java, command, fast)


def rust() -> None:
    # libpq is diesel's.
    apt(["pkg-config", "--exists", "libpq"], "libpq-dev", "pkg-config")()
    # Cargo sees by itself whether there is anything to do.
    run("cargo", "build", "--quiet", "--locked", cwd=HERE / "rust", CARGO_TARGET_DIR=str(CACHE / "rust"))


def speaks_rust(name: str) -> Driver:
    return Driver(name, rust, [CACHE / "rust/debug/pgweir-test-drivers", name])


DRIVERS = [
    speaks_python("psycopg", "psycopg", fast=True),
    speaks_python("psycopg-defaults", "psycopg", "defaults"),
    speaks_python("psycopg-pipeline", "psycopg", "pipeline", fast=True),
    speaks_python("asyncpg", "asyncpg", fast=True),
    speaks_python("sqlalchemy-psycopg", "sqlalchemy", "psycopg"),
    speaks_python("sqlalchemy-asyncpg", "sqlalchemy", "asyncpg"),
    speaks_python("django", "django"),
    speaks_python("django-prepared", "django", "prepared"),
    speaks_node("pg", "pg", fast=True),
    speaks_node("pg-unnamed", "pg", "unnamed"),
    speaks_node("postgres.js", "postgresjs", fast=True),
    speaks_node("prisma", "prisma"),
    speaks_node("prisma-named", "prisma", "named"),
    speaks_node("drizzle", "drizzle"),
    speaks_node("sequelize", "sequelize"),
    speaks_pdo("pdo", fast=True),
    speaks_pdo("pdo-persistent", "persistent"),
    speaks_pdo("pdo-emulated", "emulated"),
    speaks_pdo("pdo-persistent-emulated", "persistent", "emulated"),
    Driver("laravel", laravel, ["php", HERE / "php/laravel_program.php"]),
    speaks_java("pgjdbc", "prepareThreshold=1", fast=True),
    speaks_java("pgjdbc-defaults", "prepareThreshold=5"),
    speaks_rust("tokio-postgres"),
    speaks_rust("sqlx"),
    speaks_rust("diesel"),
    Driver("dbd-pg", perl, ["perl", HERE / "perl/dbd_pg_program.pl"], fast=True),
    Driver("ruby-pg", ruby_pg, ["ruby", HERE / "ruby/pg_program.rb"], fast=True),
    Driver("active-record", active_record, ["ruby", HERE / "ruby/active_record_program.rb"]),
    Driver("active-record-unprepared", active_record, ["ruby", HERE / "ruby/active_record_program.rb", "unprepared"]),
]
