"""The digest of a stage covers its settings and those of all stages before it, and nothing else."""

from gradiend.config import load_runs
from gradiend.settings import STAGES
from gradiend.sharing import BEFORE, stage_digests, stages_of

CONFIG = {
    "experiment_dir": "out",
    "model": "bert",
    "data": {"source": "data.csv", "neutral": "neutral.csv"},
    "target_classes": ["female", "male"],
}
SETTINGS = {stage: f'{{"{stage}": 1}}' for stage in BEFORE}


def changed(stage: str) -> set[str]:
    """The stages whose digests differ when the settings of one do."""
    digests, others = stage_digests(SETTINGS), stage_digests(SETTINGS | {stage: "{}"})
    return {name for name in digests if digests[name] != others[name]}


def after(stage: str) -> set[str]:
    """A stage and all that read it, directly or not."""
    return {stage}.union(*(after(name) for name, before in BEFORE.items() if stage in before))


def test_every_stage_but_those_about_a_whole_run_or_several_can_be_shared() -> None:
    assert set(BEFORE) == set(STAGES) - {"report", "measure_stability", "cross_encode", "compare_runs"}


def test_a_stage_comes_after_those_that_it_reads() -> None:
    names = list(BEFORE)
    assert all(names.index(name) < names.index(stage) for stage, before in BEFORE.items() for name in before)


def test_a_changed_setting_changes_the_digests_of_its_stage_and_of_all_after_it() -> None:
    for stage in BEFORE:
        assert changed(stage) == after(stage)
    assert changed("prepare_data") == set(BEFORE)
    assert changed("train").isdisjoint({"prepare_data", "cache_importance", "pre_prune", "cache_gradients"})


def test_a_run_has_the_stages_that_its_settings_ask_for() -> None:
    asked = {"use_cached_gradients": True, "learning_rate": "tune", "prediction_objective": "clm_mlm_head"}
    (least,), (most,) = (
        load_runs({**CONFIG, "training_arguments": own, "control": {"seeds": seeds}}, "config.yaml").values()
        for own, seeds in (
            ({"pre_prune_config": None}, None),
            ({**asked, "pre_prune_config": {"n_samples": 8, "topk": 0.5}}, 1),
        )
    )
    assert stages_of(most) == list(BEFORE)
    assert set(BEFORE) - set(stages_of(least)) == {
        "train_mlm_head",
        "cache_importance",
        "cache_gradients",
        "tune_learning_rate",
        "train_control",
    }


def test_equal_settings_of_two_stages_have_different_digests() -> None:
    digests = stage_digests(dict.fromkeys(BEFORE, "{}"))
    assert len(set(digests.values())) == len(BEFORE)


def test_a_stage_that_a_run_does_not_have_has_no_digest() -> None:
    without = {stage: text for stage, text in SETTINGS.items() if stage != "cache_importance"}
    digests = stage_digests(without)
    assert "cache_importance" not in digests
    assert digests["pre_prune"] != stage_digests(SETTINGS)["pre_prune"]
