"""The comparison of the ways with the direct one, and with what is known."""

import pathlib

KNOWN = pathlib.Path(__file__).resolve().parent / "known.txt"
OURS = ("session", "transaction")


class Known:
    """Tests that fail through pgweir, each with the reason why that cannot be helped.

    A line reads `SUITE WAY TEST: reason`; `#` begins a comment.
    """

    def __init__(self, reasons):
        self.reasons = reasons

    @classmethod
    def read(cls, path=KNOWN):
        """Reads the file."""
        reasons = {}
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            words, colon, reason = line.partition(":")
            key = tuple(words.split())
            if len(key) != 3 or not colon or not reason.strip():
                raise SystemExit(f"{path}:{number}: expected `SUITE WAY TEST: reason`")
            reasons[key] = reason.strip()
        return cls(reasons)


class Comparison:
    """What each way fails that passes directly."""

    def __init__(self, runs, known):
        self.runs = runs
        self.known = known

    def lost(self, suite, way):
        """Tests that pass directly and not this way, in the order of the schedule."""
        direct, run = self.runs[suite, "direct"], self.runs[suite, way]
        return [name for name in run.expected if name in direct.passed and name not in run.passed]

    def unexpected(self):
        """`(suite, way, test)` of what pgweir loses and known.txt does not list."""
        return [(suite, way, name) for suite, way in self.runs if way in OURS
                for name in self.lost(suite, way) if (suite, way, name) not in self.known.reasons]

    def stale(self):
        """Lines of known.txt about tests that pass."""
        return [key for key in self.known.reasons
                if key[:2] in self.runs and key[2] in self.runs[key[:2]].passed]

    def document(self):
        """All of it, for programs."""
        rows = []
        for (suite, way), run in self.runs.items():
            rows.append({
                "suite": suite, "way": way, "passed": len(run.passed), "failed": sorted(run.failed),
                "missing": run.missing(), "lost": self.lost(suite, way), "seconds": round(run.seconds, 1),
                "note": run.note,
            })
        return {"runs": rows, "unexpected": self.unexpected(), "stale": self.stale()}

    def text(self):
        """A table, and the names below it."""
        lines = [f"{'suite':<10} {'way':<22} {'passed':>6} {'failed':>6} {'only this way':>13} {'seconds':>7}"]
        for (suite, way), run in self.runs.items():
            bad = len(run.failed) + len(run.missing())
            lines.append(f"{suite:<10} {way:<22} {len(run.passed):>6} {bad:>6} "
                         f"{len(self.lost(suite, way)):>13} {run.seconds:>7.0f}  {run.note}".rstrip())
        for suite, way in self.runs:
            lost = self.lost(suite, way)
            if lost:
                lines += ["", f"{suite}, {way}: pass directly and fail here", *map("  {}".format, lost)]
        if self.stale():
            lines += ["", "listed in known.txt, and passed:", *("  " + " ".join(key) for key in self.stale())]
        if self.unexpected():
            lines += ["", "NOT LISTED in known.txt:", *("  " + " ".join(key) for key in self.unexpected())]
        return "\n".join(lines)
