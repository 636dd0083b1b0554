"""Has Helm render the chart beside this with values: `helm.py VALUES FOLDER`.

Writes a file per template into the folder. Ends with 1, and the reason, if Helm or its linter finds
a mistake.
"""

import pathlib
import sys

from helm_python import chart as helm

CHART = pathlib.Path(__file__).with_name("chart")


def main(file: str, folder: str) -> int:
    values = helm.values_from_yaml(pathlib.Path(file).read_text(encoding="utf-8"))
    found = helm.lint(CHART, values, strict=True)
    if found["errors"]:
        print(f"the linter of Helm: {found['errors']}", file=sys.stderr)
        return 1
    with helm.Chart.load(CHART) as chart:
        for name, text in chart.render(values, name="fleet").items():
            pathlib.Path(folder, pathlib.Path(name).name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
