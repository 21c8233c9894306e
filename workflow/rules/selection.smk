# Metrics of the seeds -> verdicts, the best seed, the seed report. Folder: seeds/.


rule select_seed:
    input:
        as_recorded("select_seed"),
        per_seed(*gradiend_files(f"{TRAINED}/seed_{{seed}}/model")),
        evaluations=per_seed(rules.evaluate_encoder.output[0]),
        trainings=per_seed(rules.train.output.training),
        more=open_evaluation,
    output:
        best=gradiend_files(f"{SELECTED}/best"),
        report=f"{SELECTED}/seed_report.json",
    log:
        f"{SHARED}/logs/select_seed{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/select_seed{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("select_seed"),
        runtime=runtime("select_seed"),
    params:
        settings=settings("select_seed"),
        code=code_of("select_seed"),
        record=record("select_seed"),
        best=folder_of_output("best"),
    shell:
        "python -m gradiend.stages.select_seed --settings {params.settings:q}"
        " --evaluations {input.evaluations:q} --trainings {input.trainings:q}"
        " --best {params.best:q} --report {output.report:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
