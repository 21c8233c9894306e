"""Experiments on the tiny model, run by Snakemake as a user would."""

import pytest
from experiment import Experiment


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """One experiment that ran to its end; tests only plan on it, and change nothing that they do not change back."""
    experiment = Experiment.new(tmp_path_factory.mktemp("finished"))
    experiment.run()
    return experiment
