# Everything -> figures and one page. Files: plots/, report.html.


rule report:
    input:
        as_recorded("report"),
        trainings=per_seed(rules.train.output.training),
        evaluations=per_seed(rules.evaluate_encoder.output[0]),
        seed_report=made(rules.select_seed.output.report),
        data_summary=made(rules.prepare_data.output.summary),
        metrics=made(rules.evaluate_test.output.metrics),
        encodings=made(rules.evaluate_test.output.encodings),
        grid=made(rules.evaluate_decoder.output.grid),
        decoder=made(rules.evaluate_decoder.output.summary),
        rewritten=made(rules.rewrite_model.output),
        space=made(f"{MODEL}/space.safetensors"),
        model_config=made(f"{MODEL}/config.json"),
        more=open_evaluation,
        links=links,
    output:
        plots=directory(f"{ROOT}/plots"),
        page=report(f"{ROOT}/report.html", category="Report"),
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    conda:
        "../../envs/gradiend.yaml"
    params:
        settings=settings("report"),
        code=code_of("report"),
        record=record("report"),
        benchmarks=f"{ROOT}/benchmarks",
    shell:
        "python -m gradiend.stages.report --settings {params.settings:q}"
        " --trainings {input.trainings:q} --evaluations {input.evaluations:q}"
        " --seed-report {input.seed_report:q} --data-summary {input.data_summary:q}"
        " --metrics {input.metrics:q} --encodings {input.encodings:q} --grid {input.grid:q}"
        " --decoder {input.decoder:q} --rewritten {input.rewritten:q} --space {input.space:q}"
        " --model-config {input.model_config:q} --benchmarks {params.benchmarks:q}"
        " --plots {output.plots:q} --out {output.page:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
