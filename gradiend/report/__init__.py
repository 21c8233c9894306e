"""The report of a run: what was found, in words, figures and tables, as one self-contained HTML page."""
