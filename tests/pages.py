"""The code blocks of README.md and docs/, and a folder in which a reader runs them.

A block is bash, yaml, python or text. Text is not run: tables, formulas, what a command prints. A block that cannot be
run begins with the comment `# not run by the tests: why`.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from experiment import PROJECT, Experiment
from tiny import save_learnt_model, story_examples, story_neutral

PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]
LANGUAGES = ("bash", "yaml", "python", "text")
NOT_RUN = "# not run by the tests: "
_BLOCK = re.compile(r"^([ \t]*)```(.*?)\n(.*?)^\1```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"# (\S+\.yaml)$")


@dataclass(frozen=True)
class Block:
    """One code block: `page` and `line` are where it stands."""

    page: Path
    line: int
    language: str
    code: str

    @property
    def runs(self) -> bool:
        """Whether the tests run it."""
        return self.language != "text" and not self.code.startswith(NOT_RUN)

    @property
    def where(self) -> str:
        """`page:line`."""
        return f"{self.page.relative_to(PROJECT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """All code blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(page, text.count("\n", 0, found.start()) + 1, found[2].strip(), found[3])
        for found in _BLOCK.finditer(text)
    ]


def commands(block: Block) -> list[str]:
    """The commands of a bash block, those of several lines in one, without comments."""
    lines = block.code.replace("\\\n", " ").splitlines()
    return [bare for line in lines if (bare := re.sub(r"(^|\s)#.*", "", line).strip())]


def prepare(folder: Path, page: Path) -> Path:
    """`folder` as a page's reader has it: tables, a base model, config files of the page and of the first steps."""
    for table in ("my/examples.csv", "data/gender.csv"):
        (folder / table).parent.mkdir(parents=True)
        story_examples().to_csv(folder / table, index=False)
    for name in ("my/neutral.csv", "data/neutral.csv"):
        story_neutral().to_csv(folder / name, index=False)
    _one_file_a_class(folder / "my")
    save_learnt_model(folder / "bert-base-cased")
    (folder / "config.yaml").symlink_to(PROJECT / "config.yaml")
    for block in [*blocks(PROJECT / "docs" / "start.md"), *blocks(page)]:
        if block.language == "yaml" and (name := _NAME.match(block.code.partition("\n")[0])):
            (folder / name[1]).write_text(block.code)
    return folder


def add_results(folder: Path, finished: Experiment) -> None:
    """The results of a finished experiment where the default one has them, and its base model as the demo's."""
    results = folder / "results" / "demo"
    (results / "demo").mkdir(parents=True)
    for path in finished.path().iterdir():
        (results / path.name).symlink_to(path)
    (results / "demo" / "model").symlink_to(finished.folder / "model")


def _one_file_a_class(folder: Path) -> None:
    stories: pd.DataFrame = story_examples()
    for name, own in stories.groupby("label_class"):
        own.to_csv(folder / f"{name}.csv", index=False)
