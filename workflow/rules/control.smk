# Examples in batches drawn regardless of class -> the score of a GRADIEND trained on them. Folder: control/.


rule train_control:
    input:
        as_recorded("train_control"),
        base_model_of,
        stored("validation", "test"),
        examples=made(rules.prepare_data.output.examples),
        space=made(rules.pre_prune.output),
        mlm_head=mlm_head("head.safetensors"),
        validation_rows=rows("validation"),
        test_rows=rows("test"),
        tuned=tuned("learning_rate.json"),
    output:
        f"{CONTROL}/seed_{{seed}}.json",
    log:
        f"{SHARED}/logs/train_control{OF}-{{seed}}.log",
    benchmark:
        f"{SHARED}/benchmarks/train_control{OF}-{{seed}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb("train_control"),
        runtime=runtime("train_control"),
        gpu=gpu("train_control"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
        device_encoder=device("encoder"),
        device_decoder=device("decoder"),
    params:
        settings=settings("train_control"),
        code=code_of("train_control"),
        record=record("train_control"),
        partial=f"{OUT}/.partial/train_control{OF}-{{seed}}.safetensors",
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.train_control --settings {params.settings:q} --seed {wildcards.seed}"
        " --space {input.space:q} --validation-rows {input.validation_rows:q} --test-rows {input.test_rows:q}"
        " --examples {input.examples:q} --mlm-head {input.mlm_head:q} --tuned {input.tuned:q}"
        " --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --device-encoder {resources.device_encoder} --device-decoder {resources.device_decoder}"
        " --partial {params.partial:q} --out {output:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
