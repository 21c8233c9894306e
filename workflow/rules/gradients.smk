# Base model, examples and kept space -> stored rows of all splits. Folder: gradients/.


# The first shard, and the tables of all rows.
rule cache_gradients:
    input:
        as_recorded("cache_gradients"),
        base_model_of,
        examples=made(rules.prepare_data.output.examples),
        neutral=made(rules.prepare_data.output.neutral),
        space=made(rules.pre_prune.output),
        mlm_head=mlm_head("head.safetensors"),
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
        mem_mb=mem_mb("cache_gradients"),
        runtime=runtime("cache_gradients"),
        gpu=gpu("cache_gradients"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
        made_from=made_from("cache_gradients"),
    params:
        settings=settings("cache_gradients"),
        code=code_of("cache_gradients"),
        shard=shard,
        record=record("cache_gradients"),
        out=folder_of_output("rows", 1),
        partial=f"{OUT}/.partial/cache_gradients{OF}-0.safetensors",
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.cache_gradients --settings {params.settings:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q} --space {input.space:q}"
        " --mlm-head {input.mlm_head:q}"
        " --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --shard {params.shard} --made-from {resources.made_from}"
        " --partial {params.partial:q} --out {params.out:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"


# The other shards, where `shards` is more than 1.
use rule cache_gradients as cache_shard with:
    input:
        as_recorded("cache_shard"),
        base_model_of,
        examples=made(rules.prepare_data.output.examples),
        neutral=made(rules.prepare_data.output.neutral),
        space=made(rules.pre_prune.output),
        mlm_head=mlm_head("head.safetensors"),
    output:
        rows=[f"{GRADIENTS}/{split}/shard-{{shard}}.safetensors" for split in SPLITS],
    log:
        f"{SHARED}/logs/cache_gradients{OF}-{{shard}}.log",
    benchmark:
        f"{SHARED}/benchmarks/cache_gradients{OF}-{{shard}}.tsv"
    params:
        record=record("cache_shard"),
        partial=f"{OUT}/.partial/cache_gradients{OF}-{{shard}}.safetensors",
