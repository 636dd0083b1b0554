"""Medians, ratios and goals, and the two files with them."""

import json
import statistics

from .cells import GROUPS

UNITS = {
    "cpu_us": "CPU µs/tx", "user_us": "user µs/tx", "system_us": "system µs/tx",
    "tps": "transactions/s", "p50_ms": "p50 ms", "p99_ms": "p99 ms", "cores": "cores used",
    "foreign_cores": "foreign cores", "tx_per_cpu_s": "transactions per CPU second",
    "longest_wait_ms": "longest wait ms", "slowest_to_median": "slowest client / median",
    "errors": "errors", "login_cpu_us": "CPU µs/connection", "connections_per_s": "connections/s",
    "client_hashes": "passwords hashed by the client", "cpu_s_per_gb": "CPU s/GB",
    "user_s_per_gb": "user s/GB", "system_s_per_gb": "system s/GB", "mb_per_s": "MB/s",
    "idle_login_cpu_us": "CPU µs/login", "idle_cores": "cores used while idle",
    "rss_kib_after": "RSS KiB after they left", "calls_per_tx": "all", "sends_per_tx": "sends",
    "receives_per_tx": "receives", "epoll_ctl_per_tx": "epoll_ctl",
    "epoll_wait_per_tx": "epoll_wait", "futex_per_tx": "futex",
}


def unit(metric):
    """The description of a number."""
    for prefix, words in (("rss_kib_", "RSS KiB, {} clients"), ("kib_per_client_", "KiB/client, {}")):
        if metric.startswith(prefix) and metric not in UNITS:
            return words.format(f"{int(metric.removeprefix(prefix)):,}")
    return UNITS[metric]


def summarise(cells, runs):
    """Medians of all runs, ratios to the first contender, and whether goals are met, as plain data."""
    rows = []
    for cell in cells:
        for metric in cell.metrics:
            columns = {}
            for contender in cell.contenders:
                values = [run[metric] for run in runs.get((cell.name, contender.label), [])
                          if metric in run]
                if values:
                    columns[contender.label] = {
                        "median": statistics.median(values), "min": min(values),
                        "max": max(values), "n": len(values)}
            if not columns:
                continue
            goal = next((goal for goal in cell.goals if goal.metric == metric), None)
            base = cell.contenders[0].label
            for label, column in columns.items():
                if label != base:
                    judge(column, columns.get(base), goal, metric)
            rows.append({"cell": cell.name, "title": cell.title, "group": cell.group,
                         "metric": metric, "unit": unit(metric),
                         "goal": describe(goal), "base": base, "columns": columns})
    return rows


def describe(goal):
    """The limit, and what it applies to if that is not the ratio."""
    return None if goal is None else str(goal) + ("" if goal.is_ratio else ", itself")


# Numbers of the machine or of the client, and counts that should be zero or one.
WITHOUT_RATIO = ("foreign_cores", "client_hashes", "errors")


def judge(column, base, goal, metric):
    """Adds the ratio, and whether the goal is met, to a contender's numbers."""
    is_absolute = (goal and not goal.is_ratio) or metric in WITHOUT_RATIO
    if base and base["median"] and not is_absolute:
        column["ratio"] = column["median"] / base["median"]
    value = column.get("ratio") if goal and goal.is_ratio else column["median"]
    if goal and value is not None:
        column["met"] = goal.met(value)


def number(value):
    """Three significant digits, or a whole number with separators."""
    if value == int(value) and abs(value) < 1000 or value == 0:
        return f"{value:.0f}"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def spread(column):
    """The median, and the range if there is one."""
    if column is None:
        return "–"
    if column["n"] == 1:
        return number(column["median"])
    return f"{number(column['median'])} ({number(column['min'])}–{number(column['max'])})"


def markdown(about, rows, cells, failures):
    """The report as text."""
    lines = [f"# Comparison of {about['date']}", ""]
    lines += [f"* {name}: {value}" for name, value in about["facts"].items()]
    lines += ["", "Medians, with minimum and maximum in brackets. A ratio is that of a median to the "
              "median of the first column. How the numbers were taken: [README](../README.md).", ""]
    lines += goal_lines(rows)
    for group, title in GROUPS.items():
        of_group = [row for row in rows if row["group"] == group]
        skipped = [cell for cell in cells if cell.group == group and cell.without]
        if not of_group and not skipped:
            continue
        lines += ["", f"## {title}", ""]
        lines += [f"Not measured: {cell.title}: {cell.without}." for cell in skipped]
        if not of_group:
            continue
        labels = list(dict.fromkeys(contender.label for cell in cells if cell.group == group
                                    for contender in cell.contenders))
        ratios = [label for label in labels if label != of_group[0]["base"]]
        header = ["", "", *labels, *(f"{label} ratio" for label in ratios), "goal"]
        lines += ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        title = None
        for row in of_group:
            shown = row["title"] if row["title"] != title else ""
            title = row["title"]
            parts = [shown, row["unit"], *(spread(row["columns"].get(label)) for label in labels)]
            parts += [verdict(row["columns"].get(label, {})) for label in ratios]
            lines.append("| " + " | ".join([*parts, row["goal"] or ""]) + " |")
    if failures:
        lines += ["", "## Failures", ""] + [f"* {failure}" for failure in failures]
    return "\n".join(lines) + "\n"


def goal_lines(rows):
    """The number of goals that are met, and the others."""
    judged = [(row, label, column) for row in rows for label, column in row["columns"].items()
              if "met" in column]
    if not judged:
        return []
    missed = [entry for entry in judged if not entry[2]["met"]]
    lines = [f"{len(judged) - len(missed)} of {len(judged)} goals met." + (" Missed:" if missed else "")]
    lines += [""] if missed else []
    for row, label, column in missed:
        value = column.get("ratio")
        text = f"ratio {number(value)}" if value is not None else number(column["median"])
        lines.append(f"* {row['cell']}, {row['unit']}, {label}: {text}, goal {row['goal']}")
    return lines


def verdict(column):
    """A ratio with its mark."""
    ratio = f"{column['ratio']:.2f}" if "ratio" in column else ""
    if "met" not in column:
        return ratio
    return (ratio + (" met" if column["met"] else " **missed**")).strip()


def write(folder, about, rows, cells, runs, failures, extra_json=None):
    """Writes both files and returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    stem, count = about["date"], 1
    while (folder / f"{stem}.md").exists():
        count += 1
        stem = f"{about['date']}-{count}"
    text = folder / f"{stem}.md"
    text.write_text(markdown(about, rows, cells, failures))
    data = json.dumps({
        "about": about, "rows": rows, "failures": failures,
        "runs": [{"cell": cell, "contender": label, "numbers": numbers}
                 for (cell, label), all_numbers in runs.items() for numbers in all_numbers],
    }, indent=1, ensure_ascii=False) + "\n"
    paths = [text, folder / f"{stem}.json"]
    paths[1].write_text(data)
    if extra_json:
        extra_json.write_text(data)
        paths.append(extra_json)
    return paths
