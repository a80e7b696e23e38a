"""Sphinx's settings for the site; docs/build.py copies this file beside the staged pages."""

project, author = 'ntf_lit', 'The ntf_lit authors'
copyright = author + ', Apache-2.0'
extensions = ['myst_nb', 'sphinx_copybutton', 'sphinx_design']
html_theme, html_title, html_static_path = 'sphinx_book_theme', 'ntf_lit', ['_static']
html_css_files, html_js_files = ['site.css'], ['site.js']
exclude_patterns = ['images']
html_show_search_summary = False  # it would fetch pages, which a page from the disk may not
html_theme_options = {
    'show_navbar_depth': 1,
    'use_download_button': True,
    'show_toc_level': 2,
    'navbar_persistent': [],  # the sidebar has the search
}

# The reference: names as one writes them after an import.
add_module_names = False
smartquotes = False
html_context = {'default_mode': 'auto'}
toc_object_entries_show_parents = 'hide'

# Pages show the outputs that the notebooks carry; their cells were run when they were made.
nb_execution_mode = 'off'
nb_ipywidgets_js = {}
nb_render_markdown_format = 'gfm'  # outputs may be tables
myst_enable_extensions = ['dollarmath', 'amsmath', 'colon_fence', 'deflist']
myst_heading_anchors = 3
myst_links_external_new_tab = False
# Notebooks may begin a section below another one's level, and code in them may hold shell lines.
suppress_warnings = ['myst.header', 'misc.highlighting_failure', 'mystnb.unknown_mime_type']

# One script beside the page in place of a server's.
mathjax_path = 'mathjax-tex-svg.js'
mathjax3_config = {'options': {'enableMenu': False}}
