# Data files -> examples, transitions, splits, batches, neutral texts. Folder: data/.


rule prepare_data:
    input:
        as_recorded("prepare_data"),
        data_of,
    output:
        examples=f"{DATA}/examples.parquet",
        neutral=f"{DATA}/neutral.parquet",
        summary=f"{DATA}/summary.json",
    log:
        f"{SHARED}/logs/prepare_data{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/prepare_data{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    params:
        settings=settings("prepare_data"),
        code=code_of("prepare_data"),
        record=record("prepare_data"),
    shell:
        "python -m gradiend.stages.prepare_data --settings {params.settings:q}"
        " --examples {output.examples:q} --neutral {output.neutral:q} --summary {output.summary:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
