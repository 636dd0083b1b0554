"""PostgreSQL's source of the version that is installed, with its suites built.

PGWEIR_POSTGRES_SOURCE names a tree. Otherwise it is kept in the user's cache folder, or in /var/cache for root,
because the suites then run as another user. It comes from the source packages of Debian and Ubuntu, or from
postgresql.org where there are none.
"""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import urllib.request

from lab.postgres import find_programs
from lab.processes import Failed

UPSTREAM = "https://ftp.postgresql.org/pub/source/v{0}/postgresql-{0}.tar.bz2"


class Source:
    """A tree whose suites are built."""

    def __init__(self, runner):
        self.runner = runner
        out = runner.run([find_programs() / "postgres", "--version"])
        self.version = re.search(r"\d+\.\d+", out)[0]
        named = os.environ.get("PGWEIR_POSTGRES_SOURCE")
        self.folder = pathlib.Path(named) if named else cache() / f"postgresql-{self.version}"
        if not self.folder.exists():
            self.download()
        # Libraries that tests load into the server.
        self.libraries = self.folder / "src/test/regress"
        self.build()

    def download(self):
        """Fetches the tree into its place."""
        cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache()) as staging:
            staging = pathlib.Path(staging)
            archive = debian(staging, self.version) or upstream(staging, self.version)
            self.runner.run(["tar", "-xf", archive], cwd=staging)
            (staging / f"postgresql-{self.version}").rename(self.folder)
        for path in (cache().parent, cache(), self.folder):
            path.chmod(0o755)

    def build(self):
        """Builds the suites' programs and libraries, not the server."""
        if not (self.folder / "src/Makefile.global").exists():
            print(f"configuring PostgreSQL {self.version}", flush=True)
            self.step(["./configure", "--without-readline", "--without-zlib", "--without-icu"])
        programs = ["src/test/regress/regress.so", "src/test/isolation/isolationtester"]
        if not all((self.folder / program).exists() for program in programs):
            print(f"building the suites of PostgreSQL {self.version}", flush=True)
            jobs = f"-j{len(os.sched_getaffinity(0))}"
            for target in ("src/backend", "src/test/regress", "src/test/isolation"):
                goal = "generated-headers" if target == "src/backend" else "all"
                self.step(["make", jobs, "-C", target, goal])

    def step(self, argv):
        """Runs one step of the build; what it says is in the tree's build.log."""
        log = self.folder / "build.log"
        with open(log, "ab") as out:
            done = subprocess.run(argv, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        if done.returncode != 0:
            raise Failed(f"{' '.join(argv)} failed; see {log}")


def cache():
    """The folder of trees."""
    if os.geteuid() == 0:
        return pathlib.Path("/var/cache/pgweir/source")
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(home) / "pgweir" / "source"


def debian(staging, version):
    """The archive of the distribution's source package, from where the machine has its packages; None without one."""
    if not shutil.which("apt-get"):
        return None
    parts = staging / "parts"
    (staging / "lists" / "partial").mkdir(parents=True)
    parts.mkdir()
    # The machine's own places, for sources.
    for file in [pathlib.Path("/etc/apt/sources.list"), *pathlib.Path("/etc/apt/sources.list.d").glob("*")]:
        if file.suffix in (".list", ".sources") and file.is_file():
            text = re.sub(r"(?m)^(Types: *)?deb\b(?!-)", lambda found: (found[1] or "") + "deb-src", file.read_text())
            (parts / file.name).write_text(text)
    options = ["-o", "Dir::Etc::sourcelist=/dev/null", "-o", f"Dir::Etc::sourceparts={parts}",
               "-o", f"Dir::State::lists={staging / 'lists'}", "-o", "APT::Sandbox::User=root"]
    name = f"postgresql-{version.partition('.')[0]}"
    subprocess.run(["apt-get", *options, "update"], cwd=staging, capture_output=True)
    shown = subprocess.run(["apt-cache", *options, "showsrc", name], cwd=staging, capture_output=True, text=True)
    found = re.search(rf"(?m)^Version: ({re.escape(version)}-\S+)$", shown.stdout)
    if not found:
        return None
    print(f"downloading {name} {found[1]}", flush=True)
    subprocess.run(["apt-get", *options, "source", "--download-only", f"{name}={found[1]}"],
                   cwd=staging, capture_output=True)
    return next(staging.glob("*.orig.tar.*[!c]"), None)


def upstream(staging, version):
    """The archive of PostgreSQL's project."""
    url = UPSTREAM.format(version)
    print(f"downloading {url}", flush=True)
    archive = staging / "source.tar.bz2"
    with urllib.request.urlopen(url, timeout=60) as answer, open(archive, "wb") as file:
        shutil.copyfileobj(answer, file)
    return archive
