"""The pages in a real Chromium: nothing is asked for, nothing complains, everything can be seen, read and used."""

import base64
import json
import re
import shutil
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, DRIVER, Browser, browser
from report_failures import with_no_seed_converged
from report_reader import inputs_of, page_of
from report_runs import files
from selenium.webdriver import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.support.ui import WebDriverWait

from gradiend.report.index import render_index
from gradiend.report.summary import summary

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="NO BROWSER: install Debian's chromium and chromium-driver, or the pages are not tested in one",
    ),
]
WIDTHS = (360, 800, 1600)
SHOTS = Path(__file__).parents[2] / "build/screenshots"

# the contrast of every piece of text with what is behind it, by WCAG's formula; pictures and hidden text left out
CONTRASTS = """\
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      const image = style.backgroundImage.match(/rgb[^)]*\\)/);
      if (image && e !== document.documentElement) return parse(image[0]);
      const colour = parse(style.backgroundColor);
      if (colour.length < 4 || colour[3] > 0) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || element.closest("svg, script, style, .unseen, [hidden], details:not([open]) > :not(summary)")) continue;
    const [one, other] = [parse(getComputedStyle(element).color), behind(element)].map(luminance);
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) found.push(`${element.tagName} ${element.className} ${element.textContent.slice(0, 30)} ${ratio}`);
  }
  return found;
})()
"""
SEEN = "document.body.innerText"
FIGURES = "[...document.querySelectorAll('figure svg')].map((e) => e.getBoundingClientRect().toJSON())"


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two runs, one of them not converged, and their index."""
    folder, summaries = tmp_path_factory.mktemp("runs"), {}
    failed = files()
    with_no_seed_converged(failed)
    for name, run in (("good", files()), ("failed", failed)):
        (folder / name).mkdir()
        page_of(folder / name, run)
        summaries[name] = summary(inputs_of(run))
    summaries["failed"]["encoder"]["correlation"] = 0.123
    links = {name: f"{name}/report.html" for name in summaries}
    (folder / "index.html").write_text(render_index("runs", summaries, links), encoding="utf-8")
    return folder


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["good/report", "failed/report", "index"])
def test_at_every_width_all_is_seen_and_nothing_is_asked_for(
    tab: Browser, folder: Path, name: str, width: int, scheme: str
) -> None:
    page = folder / f"{name}.html"
    tab.requested(), tab.complaints()
    tab.open(page, width, scheme)
    assert tab.requested() - {"data:,"} == {page.resolve().as_uri()}
    assert tab.complaints() == []
    assert tab.run("document.documentElement.scrollWidth") <= width
    boxes = tab.run(FIGURES)
    assert len(boxes) == (10 if name.endswith("report") else 0)
    assert all(box["width"] > 250 and box["height"] > 80 and box["right"] <= width for box in boxes)
    assert tab.run(CONTRASTS) == []
    tab.photograph(SHOTS / f"{name.replace('/', '-')}-{width}-{scheme}.png")


def test_every_link_leads_to_a_file_or_a_place_in_the_page(tab: Browser, folder: Path) -> None:
    tab.open(folder / "index.html")
    pages = tab.run("[...document.querySelectorAll('a[href]')].map((a) => a.href)")
    opened = {
        folder / "index.html",
        *(Path(link.removeprefix("file://")) for link in pages if link.endswith("report.html")),
    }
    assert len(opened) == 3
    for page in opened:
        tab.open(page)
        for target, there in tab.run(
            "[...document.querySelectorAll('a[href]')].map((a) => "
            "[a.href, !a.hash || document.getElementById(decodeURIComponent(a.hash.slice(1))) !== null])"
        ):
            assert there and Path(target.removeprefix("file://").split("#")[0]).exists(), target


@pytest.mark.parametrize("name", ["good/report", "index"])
def test_in_the_archive_of_a_snakemake_report_no_link_leads_nowhere(
    tab: Browser, folder: Path, tmp_path: Path, name: str
) -> None:
    page = tmp_path / "data/raw/0123456789abcdef" / Path(name).with_suffix(".html").name
    page.parent.mkdir(parents=True)
    shutil.copy(folder / f"{name}.html", page)
    tab.open(page)
    links = tab.run("[...document.querySelectorAll('a[href]')].map((a) => a.href)")
    assert {link.partition("#")[0] for link in links} == {page.resolve().as_uri()}
    assert "part of an archive" in tab.run(SEEN) and ("good" in tab.run(SEEN) or name != "index")
    tab.open(folder / f"{name}.html")
    assert "part of an archive" not in tab.run(SEEN)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_index_of_a_dozen_runs_fits_at_every_width(tab: Browser, tmp_path: Path, width: int) -> None:
    page = tmp_path / "index.html"
    page.write_text(render_index("runs", *dozen()), encoding="utf-8")
    tab.open(page, width)
    scrolls = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth).length"
    assert tab.run(scrolls) == 0 and tab.run("document.documentElement.scrollWidth") <= width
    assert tab.run("document.querySelectorAll('#runs tbody tr').length") == 12
    words = " ".join(tab.run(SEEN).split())
    assert "P(female) on male 0.063 → 0.081" in words and "to strengthen male" in words
    tab.photograph(SHOTS / f"index-of-twelve-{width}.png")


def test_the_index_of_a_dozen_runs_is_printed_whole(tab: Browser, tmp_path: Path) -> None:
    page = tmp_path / "index.html"
    page.write_text(render_index("runs", *dozen()), encoding="utf-8")
    tab.open(page, 710)  # A4 between the margins
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert tab.run("document.querySelector('#runs').getBoundingClientRect().right") <= 710
    tab.open(page)


def dozen() -> tuple[dict[str, Any], dict[str, str]]:
    """Summaries of twelve runs that differ in five settings, and links to their pages."""
    summaries = {}
    for i in range(12):
        run = files()
        own = {
            "source": ("alternative", "factual")[i % 2],
            "max_steps": 10 * i,
            "learning_rate": "auto",
            "latent_dim": i,
        }
        pruning = {"pre_prune_config": {"topk": 0.1 * i, "n_samples": 8 + i}}
        run["config"] = run["config"] | {"training_arguments": own | pruning}
        summaries[f"latent_dim={i}-max_steps={10 * i}-source={own['source']}-topk={0.1 * i:.1f}"] = summary(
            inputs_of(run)
        )
    return summaries, {name: f"{name}/report.html" for name in summaries}


def test_a_point_says_its_text_when_it_is_pointed_at(tab: Browser, folder: Path) -> None:
    tab.open(folder / "good/report.html")
    point = tab.run("document.querySelectorAll('svg .point[data-text*=\"Text\"]')[0]")

    def said_after_pointing(_: object) -> bool:
        tab.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
        away = ActionBuilder(tab.driver)  # a late scroll event hides the text until the point is pointed at anew
        away.pointer_action.move_to_location(2, 2)
        away.perform()
        ActionChains(tab.driver).move_to_element(point).perform()
        return bool(tab.run("!document.getElementById('said').hidden"))

    WebDriverWait(tab.driver, 20).until(said_after_pointing)
    said = tab.run("document.getElementById('said').textContent")
    assert re.search(r"Text \d+ says that \[\w+\] came home", said)
    box = tab.run("document.getElementById('said').getBoundingClientRect().toJSON()")
    assert box["left"] >= 0 and box["right"] <= 1600


def test_the_index_is_sorted_by_the_keyboard_and_filtered_by_words(tab: Browser, folder: Path) -> None:
    first = "document.querySelector('#runs tbody tr th').textContent"
    tab.open(folder / "index.html")
    button = tab.driver.find_element("xpath", "//button[text()='correlation (test)']")
    assert tab.run(first) == "good"
    button.send_keys("\ue007")
    assert tab.run(first) == "failed"
    assert tab.run("document.querySelector('th[aria-sort]').getAttribute('aria-sort')") == "ascending"
    button.send_keys(" ")
    assert tab.run(first) == "good"
    tab.driver.find_element("id", "filter").send_keys("NOT converged")
    assert tab.run("[...document.querySelectorAll('#runs tbody tr')].filter((r) => !r.hidden).length") == 1
    assert tab.run("document.getElementById('shown').textContent") == "1 of 2"


def test_headings_go_down_one_step_at_a_time_and_every_figure_has_a_label(tab: Browser, folder: Path) -> None:
    for name in ("good/report", "failed/report", "index"):
        tab.open(folder / f"{name}.html")
        levels = [int(tag[1]) for tag in tab.run("[...document.querySelectorAll('h1,h2,h3,h4')].map((h) => h.tagName)")]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        labels = tab.run("[...document.querySelectorAll('figure svg')].map((e) => e.getAttribute('aria-label'))")
        assert all(labels)


def test_the_alarm_is_the_first_thing_that_is_seen(tab: Browser, folder: Path) -> None:
    tab.open(folder / "failed/report.html", 360)
    box = tab.run("document.querySelector('.alarm').getBoundingClientRect().toJSON()")
    assert box["top"] < 700 and box["width"] > 300


def test_scripts_in_data_do_not_run(tab: Browser, tmp_path: Path) -> None:
    bad = "<script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"
    run: dict[str, Any] = files(bad, "'\"><svg onload=alert(1)>", (bad,))
    run["data_summary"]["warnings"] = [bad]
    run["examples"]["masked"] = f"{bad} [MASK]"
    page_of(tmp_path, run)
    tab.complaints()
    tab.open(tmp_path / "report.html")
    assert tab.run("document.title").startswith("GRADIEND report") and tab.complaints() == []
    assert tab.run("document.scripts.length") == 1


def test_the_page_prints_without_being_cut(tab: Browser, folder: Path) -> None:
    tab.open(folder / "good/report.html")
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    shown = json.loads(tab.run("JSON.stringify(['nav', '.files'].map((s) => document.querySelector(s).offsetHeight))"))
    assert shown == [0, 0]
    tab.open(folder / "good/report.html")


def test_what_is_folded_is_printed_but_what_is_for_the_screen_and_folded_again(tab: Browser, folder: Path) -> None:
    tab.open(folder / "good/report.html")
    count = "document.querySelectorAll('details[open]').length"
    assert tab.run("document.querySelectorAll('details').length") == 8
    for event, opened in (("beforeprint", 6), ("afterprint", 0)):
        tab.driver.execute_script(f"window.dispatchEvent(new Event('{event}'))")
        assert tab.run(count) == opened


def test_what_only_a_screen_can_do_is_not_printed_and_what_is_left_out_is_said(tab: Browser, folder: Path) -> None:
    tab.open(folder / "good/report.html")
    assert "Point at one to read its text." in tab.run(SEEN) and "Not printed" not in tab.run(SEEN)
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert "Point at" not in tab.run(SEEN) and "Not printed: Kept entries by parameter" in tab.run(SEEN)
    tab.open(folder / "index.html")
    assert "Click a heading" in tab.run(SEEN)
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert "Click a heading" not in tab.run(SEEN)
    tab.open(folder / "good/report.html")


def test_a_report_is_printed_on_at_most_eight_pages(tab: Browser, tmp_path: Path) -> None:
    page_of(tmp_path, files())
    tab.open(tmp_path / "report.html")
    printed = base64.b64decode(tab.driver.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert 3 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 8


def test_no_number_is_broken_in_print(tab: Browser, folder: Path) -> None:
    tab.open(folder / "good/report.html", 700)
    tab.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    lines = "[...document.querySelectorAll('.predictions .number')].map((e) => e.getClientRects().length)"
    wide = "[...document.querySelectorAll('table')].filter((e) => e.getBoundingClientRect().right > 700).length"
    assert set(tab.run(lines)) == {1} and tab.run("document.querySelector('.predictions .number').offsetHeight") < 25
    assert tab.run(wide) == 0
    tab.open(folder / "good/report.html")
