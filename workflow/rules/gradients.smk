# Base model, examples and kept space -> stored rows of all splits. Folder: gradients/.


rule cache_gradients:
    input:
        as_recorded("cache_gradients"),
        base_model_of,
        examples=made(rules.prepare_data.output.examples),
        neutral=made(rules.prepare_data.output.neutral),
        space=made(rules.pre_prune.output),
    output:
        [f"{GRADIENTS}/{split}/shard-0.safetensors" for split in SPLITS],
        rows=[f"{GRADIENTS}/{split}/rows.parquet" for split in SPLITS],
    log:
        f"{SHARED}/logs/cache_gradients{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/cache_gradients{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("cache_gradients"),
        code=code_of("cache_gradients"),
        record=record("cache_gradients"),
        out=folder_of_output("rows", 1),
    shell:
        "python -m gradiend.stages.cache_gradients --settings {params.settings:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q} --space {input.space:q}"
        " --eval-batch-size {resources.eval_batch_size} --device {resources.device} --out {params.out:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
