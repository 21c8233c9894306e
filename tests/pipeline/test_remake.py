"""The command on the page of a run remakes the run, as it is for a reader who has the page and the run's own inputs."""

import re
import shlex
import shutil
from collections import Counter
from dataclasses import dataclass
from html import unescape
from pathlib import Path

import pytest
import yaml
from experiment import Experiment, from_stage

pytestmark = pytest.mark.xdist_group("staleness")  # whose worker has the finished experiment
# made only where keep_seed_runs says so, on which no number depends; the page's config leaves such settings out
OF_KEPT_SEEDS = re.compile(r"seeds/(seed_\d+/model/|stability\.)")


@dataclass(frozen=True)
class Shown:
    """What the page has in its last part: the words of the command, and the text of the config file."""

    command: list[str]
    config: str

    @classmethod
    def on(cls, page: Path) -> "Shown":
        part = page.read_text(encoding="utf-8").partition('<section id="again"')[2]
        command, config = (unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", part, re.S))
        return cls(shlex.split(command), config)

    @property
    def options(self) -> tuple[str, ...]:
        """What comes after `snakemake`, but for the cores: as many as the finished experiment had."""
        assert self.command[:3] == ["snakemake", "--cores", "all"]
        return tuple(self.command[3:-1])

    @property
    def file(self) -> str:
        """The config file that it names."""
        return self.command[-1]


def test_the_command_on_the_page_says_that_there_is_nothing_to_be_done(finished: Experiment) -> None:
    shown = Shown.on(finished.path("report.html"))
    assert shown.options == ("--configfile",)
    assert finished.planned_with_comparison(config=shown.file) == Counter()


def test_the_config_on_the_page_is_the_file_that_the_command_names(finished: Experiment) -> None:
    shown = Shown.on(finished.path("report.html"))
    assert yaml.safe_load(shown.config) == yaml.safe_load((finished.folder / shown.file).read_text(encoding="utf-8"))


def test_where_nothing_is_left_the_command_on_the_page_plans_the_whole_run(
    finished: Experiment, tmp_path: Path
) -> None:
    emptied, file = emptied_copy(finished, tmp_path)
    assert emptied.planned(config=file) == from_stage("prepare_data")


@pytest.mark.long
def test_where_nothing_is_left_the_command_on_the_page_makes_the_same_results(
    finished: Experiment, tmp_path: Path
) -> None:
    emptied, file = emptied_copy(finished, tmp_path)
    emptied.run(config=file)
    assert emptied.contents() == {
        name: content for name, content in finished.contents().items() if not OF_KEPT_SEEDS.match(name)
    }
    assert Shown.on(emptied.path("report.html")) == Shown.on(finished.path("report.html"))


def emptied_copy(finished: Experiment, folder: Path) -> tuple[Experiment, str]:
    """The inputs of an experiment in another folder, with nothing of its results but the config that its page shows."""
    shown = Shown.on(finished.path("report.html"))
    shutil.copytree(finished.folder / "model", folder / "model")
    for name in ("examples.csv", "neutral.csv"):
        shutil.copy(finished.folder / name, folder)
    (folder / shown.file).parent.mkdir(parents=True)
    (folder / shown.file).write_text(shown.config, encoding="utf-8")
    return Experiment(folder), shown.file
