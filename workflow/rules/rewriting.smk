# Base model, GRADIEND and the choices -> rewritten model folders. Folder: rewritten/.


rule rewrite_model:
    input:
        base_model_of,
        model=rules.post_prune.output.model,
        decoder=rules.evaluate_decoder.output.summary,
        examples=rules.prepare_data.output.examples,
    output:
        summary=f"{ROOT}/rewritten/summary.json",
        predictions=f"{ROOT}/rewritten/predictions.parquet",
    log:
        f"{ROOT}/logs/rewrite_model.log",
    benchmark:
        f"{ROOT}/benchmarks/rewrite_model.tsv"
    conda:
        "../../envs/gradiend.yaml"
    params:
        settings=settings("rewrite_model"),
        code=code_digest("rewrite_model"),
        model=folder_of_input("model"),
    shell:
        "python -m gradiend.stages.rewrite_model --settings {params.settings:q} --model {params.model:q}"
        " --decoder {input.decoder:q} --examples {input.examples:q}"
        " --predictions {output.predictions:q} --out {output.summary:q} 2> {log:q}"
