# Base model, GRADIEND and the choices -> rewritten model folders. Folder: rewritten/.


rule rewrite_model:
    input:
        as_recorded("rewrite_model"),
        base_model_of,
        model=made(rules.post_prune.output.model),
        decoder=made(rules.evaluate_decoder.output.summary),
        examples=made(rules.prepare_data.output.examples),
    output:
        summary=f"{REWRITTEN}/summary.json",
        predictions=f"{REWRITTEN}/predictions.parquet",
    log:
        f"{SHARED}/logs/rewrite_model{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/rewrite_model{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("rewrite_model"),
        runtime=runtime("rewrite_model"),
    params:
        settings=settings("rewrite_model"),
        code=code_of("rewrite_model"),
        record=record("rewrite_model"),
        model=folder_of_input("model"),
    shell:
        "python -m gradiend.stages.rewrite_model --settings {params.settings:q} --model {params.model:q}"
        " --decoder {input.decoder:q} --examples {input.examples:q}"
        " --predictions {output.predictions:q} --out {output.summary:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
