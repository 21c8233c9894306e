# Causal base model and examples -> the head that gradients come through, and its quality. Folder: mlm_head/.
# Only for prediction_objective clm_mlm_head.


rule train_mlm_head:
    input:
        as_recorded("train_mlm_head"),
        base_model_of,
        examples=made(rules.prepare_data.output.examples),
    output:
        head=f"{MLM_HEAD}/head.safetensors",
        quality=f"{MLM_HEAD}/quality.json",
    log:
        f"{SHARED}/logs/train_mlm_head{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/train_mlm_head{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb("train_mlm_head"),
        runtime=runtime("train_mlm_head"),
        gpu=gpu("train_mlm_head"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("train_mlm_head"),
        code=code_of("train_mlm_head"),
        record=record("train_mlm_head"),
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.train_mlm_head --settings {params.settings:q} --examples {input.examples:q}"
        " --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --head {output.head:q} --quality-file {output.quality:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
