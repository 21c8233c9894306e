# Metrics of the seeds -> verdicts, the best seed, the seed report. Folder: seeds/.


rule select_seed:
    input:
        per_seed(*gradiend_files(f"{SEED}/model")),
        evaluations=per_seed(f"{SEED}/evaluation.json"),
        trainings=per_seed(f"{SEED}/training.json"),
        more=open_evaluation,
    output:
        best=gradiend_files(f"{ROOT}/seeds/best"),
        report=f"{ROOT}/seeds/seed_report.json",
    log:
        f"{ROOT}/logs/select_seed.log",
    benchmark:
        f"{ROOT}/benchmarks/select_seed.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("select_seed"),
        runtime=runtime("select_seed"),
    params:
        settings=settings("select_seed"),
        code=code_digest("select_seed"),
        best=folder_of_output("best"),
    shell:
        "python -m gradiend.stages.select_seed --settings {params.settings:q}"
        " --evaluations {input.evaluations:q} --trainings {input.trainings:q}"
        " --best {params.best:q} --report {output.report:q} 2> {log:q}"
