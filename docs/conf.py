"""Sphinx: ``python -m sphinx -W --keep-going docs build/docs`` makes the documentation from this folder."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))

from posecli import __version__

project = "posecli"
author = "The posecli developers"
project_copyright = author
version = release = __version__
language = "en"

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
root_doc = "index"

#: Links to headings, as in ``precision.md#int8``.
myst_heading_anchors = 3
myst_links_external_new_tab = False

#: A name in single backticks of a docstring is a link where there is such a thing, and just code elsewhere.
default_role = "py:obj"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_google_docstring = False
napoleon_use_rtype = True

highlight_language = "none"

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["style.css"]
html_title = f"posecli {__version__}"
html_copy_source = False
html_show_sourcelink = False
