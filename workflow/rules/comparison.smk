# Several runs -> what they have in common; the seeds of one run -> how stable it is. Folders: comparison/, and
# seeds/stability.json of a run.


# One file for each base model, because every run's examples are encoded with every run's encoder: without it the number
# of links between jobs would grow with the square of the number of runs.
rule gather_encoders:
    input:
        models,
    output:
        f"{COMPARISON}/encoders-{{group}}.safetensors",
    log:
        f"{OUT}/logs/gather_encoders-{{group}}.log",
    benchmark:
        f"{OUT}/benchmarks/gather_encoders-{{group}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    params:
        code=code_of("gather_encoders"),
        runs=runs_of_group,
        models=model_folders,
    shell:
        "python -m gradiend.stages.gather_encoders --runs {params.runs:q} --models {params.models:q}"
        " --out {output:q} 2> {log:q}"


rule cross_encode:
    input:
        as_recorded("cross_encode"),
        base_model_of,
        encoders=encoders_of_group,
        examples=made(rules.prepare_data.output.examples),
        mlm_head=mlm_head("head.safetensors"),
    output:
        f"{COMPARISON}/encodings/{{run}}.parquet",
    log:
        f"{OUT}/logs/cross_encode-{{run}}.log",
    benchmark:
        f"{OUT}/benchmarks/cross_encode-{{run}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb("cross_encode"),
        runtime=runtime("cross_encode"),
        gpu=gpu("cross_encode"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("cross_encode"),
        code=code_of("cross_encode"),
        record=record("cross_encode"),
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.cross_encode --settings {params.settings:q} --name {wildcards.run:q}"
        " --examples {input.examples:q} --encoders {input.encoders:q} --mlm-head {input.mlm_head:q}"
        " --eval-batch-size {resources.eval_batch_size} --device {resources.device} --out {output:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"


rule compare_runs:
    input:
        as_recorded("compare_runs"),
        models,
        encodings=cross_encoded,
    output:
        tables=[f"{COMPARISON}/{name}.parquet" for name in COMPARISON_TABLES],
        figures=directory(f"{COMPARISON}/plots"),
        summary=f"{COMPARISON}/summary.json",
    log:
        f"{OUT}/logs/compare_runs.log",
    benchmark:
        f"{OUT}/benchmarks/compare_runs.tsv"
    conda:
        "../../envs/plots.yaml"
    params:
        settings=comparison_settings,
        code=code_of("compare_runs"),
        record=record("compare_runs"),
        runs=runs_of_group,
        models=model_folders,
    shell:
        "python -m gradiend.stages.compare_runs --settings {params.settings:q}"
        " --runs {params.runs:q} --models {params.models:q} --encodings {input.encodings:q}"
        " --figures {output.figures:q} --out {output.summary:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"


rule measure_stability:
    input:
        as_recorded("measure_stability"),
        per_seed(*gradiend_files(f"{TRAINED}/seed_{{seed}}/model")),
        configs=per_seed(f"{TRAINED}/seed_{{seed}}/model/config.json"),
        evaluations=per_seed(rules.evaluate_encoder.output[0]),
        more=open_evaluation,
    output:
        content=f"{ROOT}/seeds/stability.json",
        figure=f"{ROOT}/seeds/stability.svg",
    log:
        f"{ROOT}/logs/measure_stability.log",
    benchmark:
        f"{ROOT}/benchmarks/measure_stability.tsv"
    conda:
        "../../envs/plots.yaml"
    params:
        settings=settings("measure_stability"),
        code=code_of("measure_stability"),
        record=record("measure_stability"),
    shell:
        "python -m gradiend.stages.measure_stability --settings {params.settings:q} --configs {input.configs:q}"
        " --evaluations {input.evaluations:q} --out {output.content:q} --figure {output.figure:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
