"""How Sphinx builds the documentation (a table)."""

from __future__ import annotations

import tomllib
from pathlib import Path

_PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]

project = "Eilpost"
author = "The Eilpost authors"
copyright = author
version = release = _PROJECT["version"]

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nitpicky = True

html_theme = "furo"
html_title = f"Eilpost {version}"
html_copy_source = False
html_show_sphinx = False

man_pages = [  # eilpost(1) is rendered from the commands themselves
    ("reference/eilpost-sendmail", "eilpost-sendmail", "submit mail as sendmail does", author, 1),
    ("reference/settings", "eilpost.toml", "configuration of the mail system", author, 5),
]
