# Rows -> the learning rate, where a run searches for it. Folder: tuning/.


# A checkpoint, because Snakemake then looks anew at what it has planned: a search that ends with the same rate as
# before, in a file of the same content, makes it plan no training.
checkpoint tune_learning_rate:
    input:
        as_recorded("tune_learning_rate"),
        stored("train", "validation"),
        space=made(rules.pre_prune.output),
        train_rows=rows("train"),
        validation_rows=rows("validation"),
    output:
        trials=f"{TUNING}/trials.parquet",
        choice=f"{TUNING}/learning_rate.json",
    log:
        f"{SHARED}/logs/tune_learning_rate{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/tune_learning_rate{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("tune_learning_rate"),
        runtime=runtime("tune_learning_rate"),
        gpu=gpu("tune_learning_rate"),
        device_encoder=device("encoder"),
        device_decoder=device("decoder"),
    params:
        settings=settings("tune_learning_rate"),
        code=code_of("tune_learning_rate"),
        record=record("tune_learning_rate"),
        partial=f"{OUT}/.partial/tune_learning_rate{OF}.safetensors",
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.tune_learning_rate --settings {params.settings:q} --space {input.space:q}"
        " --train-rows {input.train_rows:q} --validation-rows {input.validation_rows:q}"
        " --device-encoder {resources.device_encoder} --device-decoder {resources.device_decoder}"
        " --partial {params.partial:q} --trials {output.trials:q} --out {output.choice:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
