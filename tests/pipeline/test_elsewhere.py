"""The same workflow on clusters, in clouds, in environments and inside another workflow: what it plans there."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import boto3
import pytest
import yaml
from experiment import PROJECT, Experiment, from_stage
from moto.server import ThreadedMotoServer

from gradiend.code import PACKAGE, modules_of

ONE_SEED = {"training_arguments__max_seeds": 1, "training_arguments__min_convergent_seeds": 1}
# stands in for conda, which a dry run asks for its version and its settings only
CONDA = """#!/bin/sh
case "$*" in
*--version*) echo "conda 25.1.0" ;;
*"info --json"*) echo '{"conda_prefix": "/none", "platform": "linux-64", "conda_version": "25.1.0"}' ;;
*"--get channel_priority"*) echo '{"get": {"channel_priority": "strict"}}' ;;
*) exit 1 ;;
esac
"""
# the names of packages, where a module has another than its package
WITH_OTHERS = {"pydantic_core", "tokenizers"}  # parts of pydantic and transformers
PACKAGES = {"matplotlib": "matplotlib-base", "yaml": "pyyaml", "torch": "pytorch"}


def jobs(output: str, prefix: str = "") -> Counter[str]:
    return Counter(re.findall(rf"^ *(?:local)?(?:rule|checkpoint) {prefix}(\w+):$", output, re.M))


def plugin(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(name) is None, reason=f"{name} is not installed")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """An experiment of which nothing has run, and a folder that is its storage."""
    experiment = Experiment.new(tmp_path_factory.mktemp("elsewhere"), **ONE_SEED)
    storage = experiment.folder / "storage"
    shutil.copytree(experiment.folder / "model", storage / "model")
    for name in ("examples.csv", "neutral.csv"):
        shutil.copy(experiment.folder / name, storage)
    return experiment


def profile(name: str) -> tuple[str, str]:
    return "--workflow-profile", str(PROJECT / "profiles" / name)


@plugin("snakemake_executor_plugin_slurm")
def test_the_slurm_profile_plans_every_stage_with_memory_time_and_gpus(experiment: Experiment) -> None:
    output = experiment.call("-n", *profile("slurm"), "--resources", "gpu=2")
    assert jobs(output) == from_stage("prepare_data", 1) + Counter(all=1), output
    asked = [line for line in re.findall(r"resources: (.*)", output) if "gpu=" in line]
    assert len(asked) == 6 and sum("gpu=1" in line for line in asked) == 4  # importance, rows, training, decoder
    assert all(int(re.findall(r"mem_mb=(\d+)", line)[0]) > 900 for line in asked)
    assert all(int(re.findall(r"runtime=(\d+)", line)[0]) >= 15 for line in asked)


def test_no_job_asks_for_a_gpu_unless_the_user_says_how_many_there_are(experiment: Experiment) -> None:
    assert "gpu=0" in (output := experiment.call("-n")) and "gpu=1" not in output


STORAGE = ("--default-storage-provider", "fs", "--default-storage-prefix", "storage", "--resources", "gpu=2")
GOOGLE = ("--googlebatch-project", "p", "--googlebatch-region", "r")


@plugin("snakemake_storage_plugin_fs")
@pytest.mark.parametrize(
    ("name", "options"),
    [
        pytest.param("kubernetes", (), marks=plugin("snakemake_executor_plugin_kubernetes")),
        pytest.param("googlebatch", GOOGLE, marks=plugin("snakemake_executor_plugin_googlebatch")),
    ],
)
def test_executors_without_a_shared_file_system_plan_every_stage(
    experiment: Experiment, name: str, options: tuple[str, ...]
) -> None:
    output = experiment.call("-n", *profile(name), *STORAGE, *options)
    assert jobs(output) == from_stage("prepare_data", 1) + Counter(all=1), output
    assert "storage/out/report.html (in storage)" in output


@pytest.fixture(scope="module")
def s3(experiment: Experiment) -> Iterator[tuple[str, ...]]:
    """A pretended S3 that holds the experiment's inputs, as options of Snakemake."""
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    client = boto3.client("s3", endpoint_url=url, **keys)
    client.create_bucket(Bucket="bucket")
    for path in (path for path in (experiment.folder / "storage").rglob("*") if path.is_file()):
        client.upload_file(str(path), "bucket", f"folder/{path.relative_to(experiment.folder / 'storage')}")
    prefix = ("--default-storage-provider", "s3", "--default-storage-prefix", "s3://bucket/folder")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNAKEMAKE_STORAGE_S3_ACCESS_KEY", "key")
        patch.setenv("SNAKEMAKE_STORAGE_S3_SECRET_KEY", "secret")
        yield (*prefix, "--storage-s3-endpoint-url", url)
    server.stop()


def test_an_experiment_in_s3_plans_every_stage(experiment: Experiment, s3: tuple[str, ...]) -> None:
    output = experiment.call("-n", *s3, environment={})
    assert jobs(output) == from_stage("prepare_data", 1) + Counter(all=1), output
    assert "s3://bucket/folder/out/report.html (in storage)" in output


@pytest.mark.long
def test_an_experiment_in_s3_runs_to_its_end_and_nothing_is_left_to_do(
    experiment: Experiment, s3: tuple[str, ...]
) -> None:
    experiment.run(*s3)
    assert not experiment.path("data").exists()
    output = experiment.call("-n", *s3, environment={})
    assert "Nothing to be done" in output, output


PROFILES = sorted((PROJECT / "profiles").glob("*/config.yaml"))


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.parent.name)
def test_profiles_are_options_of_snakemake(path: Path) -> None:
    options = subprocess.run([sys.executable, "-m", "snakemake", "--help"], capture_output=True, text=True).stdout
    assert [key for key in yaml.safe_load(path.read_text()) if f"--{key}" not in options] == []


def test_the_conda_environments_are_planned(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "conda").write_text(CONDA)
    (tmp_path / "conda").chmod(0o755)
    output = experiment.call("-n", "--sdm", "conda", environment={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    created = set(re.findall(r"Conda environment \S*envs/(\S+) will be created", output))
    assert output.startswith("0\n") and created == {path.name for path in (PROJECT / "envs").glob("*.yaml")}, output


@pytest.mark.parametrize("environment", ["gradiend", "plots"])
def test_an_environment_has_what_its_stages_import(environment: str) -> None:
    rules = "\n".join(path.read_text() for path in (PROJECT / "workflow" / "rules").glob("*.smk"))
    uses = re.findall(rf'envs/{environment}\.yaml".*?-m gradiend\.stages\.(\w+)', rules, re.S)
    specification = yaml.safe_load((PROJECT / "envs" / f"{environment}.yaml").read_text())
    there = {re.split(r"[ <>=]", one)[0] for one in specification["dependencies"]}
    imported = {name for stage in uses for name in third_party(stage)}
    assert uses and {PACKAGES.get(name, name) for name in imported} <= there


def third_party(stage: str) -> set[str]:
    """The modules that a stage imports and that neither Python nor this package has."""
    texts = [path.read_text() for path in modules_of(f"stages.{stage}", PACKAGE).values()]
    names = {name for text in texts for name in re.findall(r"^\s*(?:from|import) (\w+)", text, re.M)}
    return {name for name in names if find_spec(name)} - set(sys.stdlib_module_names) - {"gradiend"} - WITH_OTHERS


def test_another_workflow_uses_this_one_as_a_module(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(
        f"""
module gradiend:
    snakefile: "{PROJECT}/Snakefile"
    config: config["gradiend"]

use rule * from gradiend as gradiend_*

rule mine:
    default_target: True
    input: rules.gradiend_all.input
    output: "mine.txt"
    shell: "touch {{output}}"
"""
    )
    config = yaml.safe_load((experiment.folder / "config.yaml").read_text())
    experiment.write({"gradiend": config, "other": 1}, "module.yaml")
    output = Experiment(experiment.folder, tmp_path / "Snakefile").call("-n", config="module.yaml")
    assert jobs(output, "gradiend_") == from_stage("prepare_data", 1), output
    assert "rule mine:" in output


def test_the_catalogue_entry_and_the_image_name_files_that_are_there() -> None:
    usage = yaml.safe_load((PROJECT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["software-stack-deployment"] == {"conda": True, "apptainer": False} and usage["report"] is True
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    assert 'RUN pip install --no-cache-dir --constraint constraints.txt ".[hub]"' in lines
    assert (PROJECT / "constraints.txt").is_file() and (PROJECT / "Snakefile").is_file()
