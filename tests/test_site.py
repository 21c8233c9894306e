"""The documentation builds without a warning, and its pages ask nothing of another server."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from experiment import PROJECT


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built pages."""
    folder = tmp_path_factory.mktemp("site")
    result = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


class Requests(HTMLParser):
    """What a browser fetches when it opens a page; links that a reader may follow are none of it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = {"src", "srcset", "data", *(["href"] if tag == "link" else [])}
        self.found += [value for name, value in attributes if name in names and value]


def test_every_page_is_built(site: Path) -> None:
    assert {path.stem for path in (PROJECT / "docs").glob("*.md")} <= {path.stem for path in site.glob("*.html")}


def test_no_page_asks_anything_of_another_server(site: Path) -> None:
    pages = list(site.glob("*.html"))
    outside = {one for page in pages for one in Requests(page.read_text(encoding="utf-8")).found if "//" in one}
    assert outside == set()
    sheets = [sheet.read_text(encoding="utf-8") for sheet in site.rglob("*.css")]
    assert not [url for sheet in sheets for url in re.findall(r"""url\(["']?(?:https?:)?//[^)]*""", sheet)]


def test_the_search_of_a_page_opened_from_the_disk_has_its_index_and_its_frame(site: Path) -> None:
    assert (site / "search" / "search_index.js").read_text(encoding="utf-8").startswith("var __index = ")
    assert '<script src="assets/iframe-worker.js">' in (site / "index.html").read_text(encoding="utf-8")


def test_links_of_the_readme_lead_somewhere() -> None:
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    local = [link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link]
    assert local and not [link for link in local if not (PROJECT / link).exists()]
