"""Adds up pytest's reports into one closing line (a deed).

python scripts/totals.py REPORT.xml …
"""

from __future__ import annotations

import sys
from xml.etree import ElementTree


def main() -> None:
    """Prints ``N passed, N failed, N skipped`` over all reports; exit code 1 when one failed or none ran."""
    counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for path in sys.argv[1:]:
        for suite in ElementTree.parse(path).getroot().iter("testsuite"):
            for key in counts:
                counts[key] += int(suite.get(key, "0"))
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    print(f"{passed} passed, {failed} failed, {counts['skipped']} skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
