"""Digests of the code: what a change of a module makes stale."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from gradiend import code
from gradiend.code import PACKAGE, RememberedDigests, code_digest, modules_of
from gradiend.errors import GradiendError
from gradiend.settings import STAGES

CHANGE = "\n\ndef _added_by_a_test() -> int:\n    return 1\n"
MODULES: dict[str, set[str]] = {
    "lms.py": {"evaluate_decoder"},
    "training.py": {"train", "train_control", "tune_learning_rate"},
    "pruning.py": {"pre_prune", "post_prune", "train_control", "measure_stability", "compare_runs"},
    "selection.py": {"select_seed", "tune_learning_rate", "measure_stability"},
    "rewriting.py": {"evaluate_decoder", "rewrite_model"},
    "examples/splits.py": {"prepare_data"},
    "examples/mixing.py": {"train_control"},
    "stages/post_prune.py": {"post_prune", "train_control"},
    "stages/evaluate_test.py": {"evaluate_test"},
    "errors.py": set(STAGES),
    "settings.py": set(STAGES),
    "stages/command.py": set(STAGES),
    "config.py": set(),  # how a config file is read changes no result
    "resolution.py": set(),
    "code.py": {"cache_gradients", "tune_learning_rate", "train", "train_control", "evaluate_decoder"},
    "cli.py": set(),
    "exports.py": set(),  # what `import gradiend` offers is used by no stage
    "trainer/pipeline.py": set(),
    "records.py": set(STAGES),
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, under another name."""
    copy = tmp_path_factory.mktemp("code") / "copied"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture(scope="module")
def stale(package: Path) -> Callable[[str, Callable[[str], str]], set[str]]:
    """`stale("a.py", edit)`: the stages whose digest changes when a module is edited."""
    before = {stage: code_digest(stage, package) for stage in STAGES}

    def found(module: str, edit: Callable[[str], str]) -> set[str]:
        text = (package / module).read_text(encoding="utf-8")
        (package / module).write_text(edit(text), encoding="utf-8")
        try:
            return {stage for stage in STAGES if code_digest(stage, package) != before[stage]}
        finally:
            (package / module).write_text(text, encoding="utf-8")

    return found


@pytest.fixture
def small(tmp_path: Path) -> Callable[[Mapping[str, str]], Path]:
    """`small({"a.py": "..."})`: a package of these files."""

    def made(files: Mapping[str, str]) -> Path:
        for name, text in files.items():
            file = tmp_path / "small" / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return tmp_path / "small"

    return made


def test_every_stage_has_a_module_and_a_digest_of_its_own() -> None:
    assert all((PACKAGE / "stages" / f"{stage}.py").is_file() for stage in STAGES)
    digests = {code_digest(stage) for stage in STAGES}
    assert len(digests) == len(STAGES)
    assert {len(digest) for digest in digests} == {16}


def test_remembered_digests_are_the_same_and_a_broken_memory_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "code.json"
    for content in (None, "{", "[1]", '{"a": {"digest": 1}}'):
        monkeypatch.setattr(code, "_KNOWN", {})
        if content:
            path.write_text(content)
        assert [RememberedDigests(path)(stage) for stage in STAGES] == [code_digest(stage) for stage in STAGES]
    monkeypatch.setattr(code, "_KNOWN", {})
    monkeypatch.setattr(code, "_parsed", None)  # nothing is parsed where all is known
    assert [RememberedDigests(path)(stage) for stage in STAGES]


def test_a_copy_elsewhere_has_the_same_digests(package: Path) -> None:
    assert [code_digest(stage, package) for stage in STAGES] == [code_digest(stage) for stage in STAGES]


@pytest.mark.parametrize("module", MODULES)
def test_a_changed_module_makes_stale_the_stages_that_import_it(
    module: str, stale: Callable[[str, Callable[[str], str]], set[str]]
) -> None:
    assert stale(module, lambda text: text + CHANGE) == MODULES[module]


@pytest.mark.parametrize("module", ["files.py", "arguments.py", "stages/train.py", "model.py"])
def test_comments_docstrings_and_formatting_make_nothing_stale(
    module: str, stale: Callable[[str, Callable[[str], str]], set[str]]
) -> None:
    assert stale(module, lambda text: "# a comment\n" + text.replace('"""', '"""Said otherwise. ', 1)) == set()
    assert stale(module, lambda text: text.replace("\n    ", "\n\n    # a comment\n    ", 3)) == set()


def test_a_fields_description_makes_nothing_stale(stale: Callable[[str, Callable[[str], str]], set[str]]) -> None:
    assert stale("arguments.py", lambda text: text.replace('"""Training epochs', '"""Epochs')) == set()


def test_a_changed_default_makes_stale(stale: Callable[[str, Callable[[str], str]], set[str]]) -> None:
    assert "train" in stale("training.py", lambda text: text.replace("AUTO_MOVEMENT = 0.1", "AUTO_MOVEMENT = 0.2"))


def test_all_ways_to_import_are_followed(small: Callable[[Mapping[str, str]], Path]) -> None:
    package = small(
        {
            "__init__.py": "",
            "stages/__init__.py": "",
            "stages/one.py": "from gradiend import a\nimport gradiend.b.c\nfrom ..d import x\nfrom . import near",
            "stages/near.py": "def f():\n    from gradiend.late import g\n    return g\n",
            "stages/other.py": "",
            "a.py": "from gradiend.e import name\n",
            "b/__init__.py": "from .inner import x\n",
            "b/c.py": "",
            "b/inner.py": "",
            "d.py": "import gradiend.a\n",
            "e/__init__.py": "",
            "e/name.py": "",
            "late.py": "",
            "unused.py": "import gradiend.a\n",
        }
    )
    found = set(modules_of("stages.one", package))
    assert found - {""} == {
        "stages",
        "stages.one",
        "stages.near",
        "a",
        "b",
        "b.c",
        "b.inner",
        "d",
        "e",
        "e.name",
        "late",
    }


def test_what_is_imported_for_type_checkers_only_is_no_code(small: Callable[[Mapping[str, str]], Path]) -> None:
    unseen = "if TYPE_CHECKING:\n    from gradiend.a import A\n"
    one = small({"stages/one.py": "from gradiend import b\n", "a.py": "", "b.py": f"{unseen}x = 1\n"})
    assert set(modules_of("stages.one", one)) == {"b", "stages.one"}
    before = code_digest("one", one)
    (one / "b.py").write_text("x = 1\n")
    assert code_digest("one", one) == before
    (one / "b.py").write_text(f"{unseen}else:\n    import gradiend.a\nx = 1\n")
    assert "a" in modules_of("stages.one", one)


def test_modules_that_import_each_other_are_found_once(small: Callable[[Mapping[str, str]], Path]) -> None:
    package = small({"stages/one.py": "import gradiend.a", "a.py": "import gradiend.b", "b.py": "import gradiend.a"})
    assert list(modules_of("stages.one", package)) == ["a", "b", "stages.one"]


def test_a_module_that_does_not_parse_is_named(small: Callable[[Mapping[str, str]], Path]) -> None:
    package = small({"stages/one.py": "import gradiend.a", "a.py": "x = 1\ndef (:\n"})
    with pytest.raises(GradiendError, match=r"a\.py: line 2: "):
        code_digest("one", package)


def test_a_changed_template_changes_the_report_alone(package: Path) -> None:
    before = {stage: code_digest(stage, package) for stage in ("report", "train")}
    with (package / "report" / "page.html").open("a") as page:
        page.write("<!-- changed -->")
    assert code_digest("report", package) != before["report"]
    assert code_digest("train", package) == before["train"]
