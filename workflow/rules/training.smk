# Rows -> one trained GRADIEND per seed. Folder: seeds/seed_{seed}/ (the argument guide fixes the name).


rule train:
    input:
        as_recorded("train"),
        stored("train", "validation"),
        examples=made(rules.prepare_data.output.examples),
        space=made(rules.pre_prune.output),
        mlm_head=live_mlm_head,
        train_rows=rows("train"),
        validation_rows=rows("validation"),
        tuned=tuned("learning_rate.json"),
    output:
        training=f"{TRAINED}/seed_{{seed}}/training.json",
        model=[file if KEEP_SEEDS else temp(file) for file in gradiend_files(f"{TRAINED}/seed_{{seed}}/model")],
    log:
        f"{SHARED}/logs/train{OF}-{{seed}}.log",
    benchmark:
        f"{SHARED}/benchmarks/train{OF}-{{seed}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("train"),
        runtime=runtime("train"),
        gpu=gpu("train"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
        device_encoder=device("encoder"),
        device_decoder=device("decoder"),
        keep_seed_runs=int(KEEP_SEEDS),
    params:
        settings=settings("train"),
        code=code_of("train"),
        record=record("train"),
        out=folder_of_output("model"),
        partial=f"{OUT}/.partial/train{OF}-{{seed}}.safetensors",
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.train --settings {params.settings:q} --seed {wildcards.seed}"
        " --space {input.space:q} --train-rows {input.train_rows:q} --validation-rows {input.validation_rows:q}"
        " --examples {input.examples:q} --mlm-head {input.mlm_head:q} --tuned {input.tuned:q}"
        " --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --device-encoder {resources.device_encoder} --device-decoder {resources.device_decoder}"
        " --keep-seed-runs {resources.keep_seed_runs} --partial {params.partial:q} --out {params.out:q} --training {output.training:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
