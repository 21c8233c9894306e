from snakemake.utils import min_version

min_version("9.0")


include: "workflow/rules/config.smk"
include: "workflow/rules/paths.smk"
include: "workflow/rules/common.smk"
include: "workflow/rules/resources.smk"
include: "workflow/rules/records.smk"
include: "workflow/rules/links.smk"
include: "workflow/rules/demo.smk"
include: "workflow/rules/examples.smk"
include: "workflow/rules/mlm_head.smk"
include: "workflow/rules/pruning.smk"
include: "workflow/rules/gradients.smk"
include: "workflow/rules/tuning.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/encoding.smk"
include: "workflow/rules/control.smk"
include: "workflow/rules/selection.smk"
include: "workflow/rules/sharing.smk"
include: "workflow/rules/decoding.smk"
include: "workflow/rules/rewriting.smk"
include: "workflow/rules/comparable.smk"
include: "workflow/rules/comparison.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/index.smk"
include: "workflow/rules/watch.smk"


# Not while the workflow is read: others' results may be looked at.
onstart:
    user_error(require_writable, RUNS, ORIGIN)
    note_plan()


localrules:
    all,


rule all:
    default_target: True
    input:
        of_all_runs(f"{ROOT}/report.html"),
        comparison(),
        f"{OUT}/index.html" if MANY else [],
