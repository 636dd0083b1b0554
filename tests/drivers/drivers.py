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
    environment: dict = dataclasses.field(default_factory=dict)


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


DRIVERS = [
    speaks_python("psycopg", "psycopg", fast=True),
    speaks_python("psycopg-defaults", "psycopg", "defaults"),
    speaks_python("psycopg-pipeline", "psycopg", "pipeline", fast=True),
    speaks_python("asyncpg", "asyncpg", fast=True),
    speaks_python("sqlalchemy-psycopg", "sqlalchemy", "psycopg"),
    speaks_python("sqlalchemy-asyncpg", "sqlalchemy", "asyncpg"),
    speaks_python("django", "django"),
    speaks_python("django-prepared", "django", "prepared"),
]
