"""`gradiend <stage>`."""

import pytest

from gradiend import __version__
from gradiend.cli import main
from gradiend.settings import STAGES


def test_an_unknown_stage_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate_decodr"]) == 2
    assert capsys.readouterr().err == "error: unknown stage 'evaluate_decodr' (did you mean 'evaluate_decoder'?)\n"


def test_help_lists_every_stage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(stage in shown for stage in [*STAGES, "build_demo_data"])


def test_nothing_is_a_mistake_that_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: gradiend STAGE" in capsys.readouterr().out


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


def test_a_stage_gets_the_other_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["select_seed", "--help"])
    assert caught.value.code == 0
    assert "usage: gradiend select_seed" in capsys.readouterr().out
