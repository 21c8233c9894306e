# Base model and GRADIEND -> the grid of rewritten models and the choice among them. Folder: decoder/.


# A share of the grid, where `decoder.shards` is more than 1.
rule measure_candidates:
    input:
        base_model_of,
        stored("train"),
        model=made(rules.post_prune.output.model),
        examples=made(rules.prepare_data.output.examples),
        neutral=made(rules.prepare_data.output.neutral),
        data_summary=made(rules.prepare_data.output.summary),
        space=made(rules.pre_prune.output),
        mlm_head=live_mlm_head,
        train_rows=rows("train"),
    output:
        temp(f"{DECODER}/measured-{{share}}.safetensors"),
    log:
        f"{SHARED}/logs/measure_candidates{OF}-{{share}}.log",
    benchmark:
        f"{SHARED}/benchmarks/measure_candidates{OF}-{{share}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb("measure_candidates"),
        runtime=runtime("measure_candidates"),
        gpu=gpu("measure_candidates"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("evaluate_decoder"),
        code=code_of("measure_candidates"),
        shard=share_of_grid,
        model=folder_of_input("model"),
        partial=f"{OUT}/.partial/measure_candidates{OF}-{{share}}.safetensors",
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.measure_candidates --settings {params.settings:q} --model {params.model:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q} --data-summary {input.data_summary:q}"
        " --space {input.space:q} --train-rows {input.train_rows:q} --mlm-head {input.mlm_head:q} --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --shard {params.shard} --partial {params.partial:q} --out {output:q} 2> {log:q}"


rule evaluate_decoder:
    input:
        as_recorded("evaluate_decoder"),
        base_model_of,
        stored("train"),
        measured=measured,
        model=made(rules.post_prune.output.model),
        examples=made(rules.prepare_data.output.examples),
        neutral=made(rules.prepare_data.output.neutral),
        data_summary=made(rules.prepare_data.output.summary),
        space=made(rules.pre_prune.output),
        mlm_head=live_mlm_head,
        train_rows=rows("train"),
    output:
        grid=f"{DECODER}/grid.parquet",
        positions=f"{DECODER}/lms_positions.parquet",
        summary=f"{DECODER}/summary.json",
    log:
        f"{SHARED}/logs/evaluate_decoder{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/evaluate_decoder{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb("evaluate_decoder"),
        runtime=runtime("evaluate_decoder"),
        gpu=gpu("evaluate_decoder"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
        made_from=made_from("evaluate_decoder"),
    params:
        settings=settings("evaluate_decoder"),
        code=code_of("evaluate_decoder"),
        record=record("evaluate_decoder"),
        model=folder_of_input("model"),
        partial=f"{OUT}/.partial/evaluate_decoder{OF}.safetensors",
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.evaluate_decoder --settings {params.settings:q} --model {params.model:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q} --data-summary {input.data_summary:q}"
        " --space {input.space:q} --train-rows {input.train_rows:q} --mlm-head {input.mlm_head:q} --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --measured {input.measured:q} --made-from {resources.made_from} --partial {params.partial:q} --grid {output.grid:q} --positions {output.positions:q} --summary {output.summary:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
