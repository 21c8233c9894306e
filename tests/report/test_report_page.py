"""The page: self-contained, and everything in it is text."""

import base64
import hashlib
import re
from pathlib import Path
from urllib.parse import unquote

import yaml
from report_reader import Reader, inputs_of, page_of, words_of
from report_runs import FIRST, RATES, files

from gradiend.report.encodings import encodings
from gradiend.report.inline import inlined
from gradiend.report.numbers import MINUS
from gradiend.report.sentences import typical


def test_the_page_fetches_nothing_and_every_link_leads_into_it_or_to_a_file_beside_it(tmp_path: Path) -> None:
    page = page_of(tmp_path, files())
    reader = Reader(page)
    inside = [link for link in reader.links if link.startswith("#") and link[1:] in reader.ids]
    beside = [link for link in reader.links if (tmp_path / unquote(link)).exists()]
    assert len(inside) > 5 and len(beside) > 15
    assert set(reader.links) - {*inside, *beside} == {"data:,"}
    assert not {"img", "iframe", "object", "image"} & set(reader.tags)
    assert "@import" not in page and set(re.findall(r"url\((.)", page)) <= {"#"} and "http:" not in page
    assert len(page.encode()) < 5_000_000


def test_no_id_occurs_twice_and_every_reference_has_its_id(page: str) -> None:
    ids = Reader(page).ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", page)) <= set(ids)


def test_every_figure_says_in_words_what_it_shows(page: str) -> None:
    reader = Reader(page)
    assert reader.tags.count("svg") == reader.tags.count("figure") == 10
    assert all(len(label) > 20 for label in re.findall(r'<svg[^>]*role="img"[^>]*aria-label="([^"]*)"', page))
    assert any("female" in label and "medians" in label for label in reader.labels)


def test_every_warning_is_collected(page: str) -> None:
    text = Reader(page).text
    for warning in ("eval_steps 25 does not divide", "only 812 tokens decide", "7 dropped from train"):
        assert warning in text


def test_names_are_text_never_markup(tmp_path: Path) -> None:
    first, second, third = "<script>alert(1)</script>", "a\"b' & $x_1$", "{{ 7 * 7 }}"
    page = page_of(tmp_path, files(first, second, (third,)))
    reader = Reader(page)
    assert reader.tags.count("script") == 1 and "alert(1)" in page
    assert third in page and second in reader.text
    assert any(first in label for label in reader.labels)
    assert len(list((tmp_path / "plots").glob("*.svg"))) == 10


def test_markup_in_texts_and_tokens_is_shown_as_it_is(tmp_path: Path) -> None:
    run, markup = files(), "<img src=x onerror=alert(1)>"
    run["examples"]["masked"] = f"{markup} [MASK] &amp;"
    run["neutral"]["text"] = markup
    run["predictions"]["token"] = markup
    run["data_summary"]["warnings"] = [markup]
    run["data_summary"]["surface_forms"][FIRST] = {markup: 3}
    run["config"] |= {"model": {"name": markup}}
    page = page_of(tmp_path, run)
    reader = Reader(page)
    assert "img" not in reader.tags and reader.text.count(markup) > 20 and "&amp;amp;" in page
    assert markup not in "".join(path.read_text() for path in (tmp_path / "plots").glob("*.svg"))


def test_only_the_pages_own_script_may_run(page: str) -> None:
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page and "default-src 'none'" in page


def test_many_classes_and_long_names_fit() -> None:
    others = tuple(f"a class with quite a long name, number {n}" for n in range(10))
    text = words_of(files(others=others))
    assert all(name in text for name in others)
    assert "The means of the 10 other classes go" in text and "n = 4,000 in all: near 0" in text


def test_provenance_has_versions_digests_and_the_config(page: str) -> None:
    text = Reader(page).text
    for expected in ("results/demo/demo/model", "cd34" * 16, "ab12" * 16, "version of torch", "lms_ratio: 1"):
        assert expected in text
    assert re.search(r"snakemake --cores all --configfile \S+/plots/config.yaml", text)


def test_the_predictions_stand_side_by_side_with_the_class_of_each_word(page: str) -> None:
    text = Reader(page).text
    assert "base model she female 0.450 he male 0.225 it 0.113" in text
    assert "rewritten to strengthen male she female 0.150" in text
    assert "Text 70 says that he came home. male" in text


def test_the_most_and_the_least_typical_texts_are_those_nearest_to_and_farthest_from_their_end(page: str) -> None:
    own = encodings(inputs_of(files())).query("split == 'test' and name == 'female'")
    rows = typical(inputs_of(files())).rows
    female = [row for row in rows if row[0] == "female"]
    assert [row[1] for row in female] == ["most typical"] * 3 + ["least typical"] * 3
    assert female[0][2] == own.loc[own["encoded"].idxmax(), "text"] in page
    assert female[3][2] == own.loc[own["encoded"].idxmin(), "text"] and "[she]" in female[3][2]


def test_an_inlined_figure_has_a_label_and_ids_of_its_own() -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9">'
    svg += '<g id="a" clip-path="url(#b)"><use xlink:href="#a"/><text>#a url(#b)</text></g></svg>'
    shown = inlined(svg, 'says "what"', "one-")
    assert 'aria-label="says &quot;what&quot;"' in shown and "w3.org" not in shown and "width" not in shown
    assert '<g id="one-a" clip-path="url(#one-b)"><use href="#one-a" /><text>#a url(#b)</text></g>' in shown


def test_only_validation_decides_and_so_only_its_candidates_are_drawn(page: str) -> None:
    text = Reader(page).text
    assert f"On validation; a point is a learning rate. 5 of {len(RATES)} keep the LMS." in text


def test_a_threshold_that_is_not_recorded_is_said() -> None:
    run = files()
    assert "is not recorded" not in words_of(run)
    del run["decoder"]["lms_ratio"]
    assert "Which share of the LMS must be kept is not recorded." in words_of(run)


def test_the_page_of_one_of_several_runs_names_it_and_leads_back_to_all(tmp_path: Path) -> None:
    reader = Reader(page_of(tmp_path, files(), name="rate=0.1"))
    assert reader.text.count("rate=0.1 : female vs male") == 1 and "rate=0.1: female vs male" in reader.text
    assert "../index.html" in reader.links


def test_one_of_several_runs_is_remade_in_a_folder_of_its_own(tmp_path: Path) -> None:
    text = Reader(page_of(tmp_path, files(), name="rate=0.1")).text
    own = f"{tmp_path.parent}-rate=0.1"
    assert yaml.safe_load((tmp_path / "plots" / "config.yaml").read_text())["experiment_dir"] == own
    assert f"alone and in a folder of its own, {own}/" in text and "nothing to be done" not in text
    page_of(tmp_path, files())
    assert yaml.safe_load((tmp_path / "plots" / "config.yaml").read_text())["experiment_dir"] == str(tmp_path)


def test_transitions_and_thresholds_have_the_signs_that_the_page_has_everywhere() -> None:
    run = files()
    run["seed_report"]["threshold"] = -1.0
    run["data_summary"]["derived_alternatives"] = {f"{FIRST} -> male": 3}
    text = words_of(run)
    assert f"correlation ≥ {MINUS}1" in text and f"{FIRST} → male" in text and "->" not in text
