# Data files -> examples, transitions, splits, batches, neutral texts. Folder: data/.


rule prepare_data:
    input:
        data_of,
    output:
        examples=f"{ROOT}/data/examples.parquet",
        neutral=f"{ROOT}/data/neutral.parquet",
        summary=f"{ROOT}/data/summary.json",
    log:
        f"{ROOT}/logs/prepare_data.log",
    benchmark:
        f"{ROOT}/benchmarks/prepare_data.tsv"
    conda:
        "../../envs/gradiend.yaml"
    params:
        settings=settings("prepare_data"),
        code=code_digest("prepare_data"),
    shell:
        "python -m gradiend.stages.prepare_data --settings {params.settings:q}"
        " --examples {output.examples:q} --neutral {output.neutral:q} --summary {output.summary:q} 2> {log:q}"
