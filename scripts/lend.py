"""Lends another environment's packages to this one, and proves that eilpost itself is not among them (a deed).

python scripts/lend.py SITE-PACKAGES
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path


def main() -> None:
    """Writes the .pth file; fails when eilpost would be found outside of this environment."""
    here = Path(sysconfig.get_path("purelib"))
    (here / "lent.pth").write_text(sys.argv[1] + "\n")
    found = subprocess.run(
        [sys.executable, "-c", "import eilpost; print(eilpost.__file__)"], check=True, capture_output=True, text=True
    ).stdout.strip()
    if not Path(found).is_relative_to(here):
        sys.exit(f"the tests would run {found}, not the wheel in {here}")


if __name__ == "__main__":
    main()
