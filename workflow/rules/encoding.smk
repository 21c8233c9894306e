# GRADIEND and rows -> the encoder's score: of each seed on validation, of the selected one on all splits.
# Folders: seeds/seed_{seed}/evaluation.json, encoder/.


# A checkpoint, because how many more seeds are needed depends on it. It holds the metric, never the verdict.
checkpoint evaluate_encoder:
    input:
        as_recorded("evaluate_encoder"),
        stored("train", "validation"),
        model=made(rules.train.output.model),
        training=made(rules.train.output.training),
        examples=made(rules.prepare_data.output.examples),
        space=made(rules.pre_prune.output),
        mlm_head=live_mlm_head,
        train_rows=rows("train"),
        validation_rows=rows("validation"),
    output:
        f"{EVALUATED}/seed_{{seed}}/evaluation.json",
    log:
        f"{SHARED}/logs/evaluate_encoder{OF}-{{seed}}.log",
    benchmark:
        f"{SHARED}/benchmarks/evaluate_encoder{OF}-{{seed}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("evaluate_encoder"),
        runtime=runtime("evaluate_encoder"),
        gpu=gpu("evaluate_encoder"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("evaluate_encoder"),
        code=code_of("evaluate_encoder"),
        record=record("evaluate_encoder"),
        model=folder_of_input("model"),
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.evaluate_encoder --settings {params.settings:q} --seed {wildcards.seed}"
        " --model {params.model:q} --training {input.training:q} --space {input.space:q}"
        " --train-rows {input.train_rows:q} --validation-rows {input.validation_rows:q}"
        " --examples {input.examples:q} --mlm-head {input.mlm_head:q} --eval-batch-size {resources.eval_batch_size} --device {resources.device} --out {output:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"


rule evaluate_test:
    input:
        as_recorded("evaluate_test"),
        stored(*SPLITS),
        model=made(rules.post_prune.output.model),
        examples=made(rules.prepare_data.output.examples),
        neutral=made(rules.prepare_data.output.neutral),
        space=made(rules.pre_prune.output),
        mlm_head=live_mlm_head,
        train_rows=rows("train"),
        validation_rows=rows("validation"),
        test_rows=rows("test"),
        neutral_rows=rows("neutral"),
    output:
        metrics=f"{ENCODER}/metrics.json",
        encodings=f"{ENCODER}/encodings.parquet",
    log:
        f"{SHARED}/logs/evaluate_test{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/evaluate_test{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("evaluate_test"),
        runtime=runtime("evaluate_test"),
        gpu=gpu("evaluate_test"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("evaluate_test"),
        code=code_of("evaluate_test"),
        record=record("evaluate_test"),
        model=folder_of_input("model"),
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.evaluate_test --settings {params.settings:q} --model {params.model:q}"
        " --space {input.space:q} --train-rows {input.train_rows:q} --validation-rows {input.validation_rows:q}"
        " --test-rows {input.test_rows:q} --neutral-rows {input.neutral_rows:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q} --mlm-head {input.mlm_head:q}"
        " --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --metrics {output.metrics:q} --encodings {output.encodings:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
