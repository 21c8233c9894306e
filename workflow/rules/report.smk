# Everything -> figures and one page. Files: plots/, report.html.


rule report:
    input:
        as_recorded("report"),
        trainings=per_seed(rules.train.output.training),
        evaluations=per_seed(rules.evaluate_encoder.output[0]),
        seed_report=made(rules.select_seed.output.report),
        data_summary=made(rules.prepare_data.output.summary),
        examples=made(rules.prepare_data.output.examples),
        neutral=made(rules.prepare_data.output.neutral),
        metrics=made(rules.evaluate_test.output.metrics),
        encodings=made(rules.evaluate_test.output.encodings),
        grid=made(rules.evaluate_decoder.output.grid),
        decoder=made(rules.evaluate_decoder.output.summary),
        rewritten=made(rules.rewrite_model.output.summary),
        predictions=made(rules.rewrite_model.output.predictions),
        mlm_head=mlm_head("quality.json"),
        space=made(f"{MODEL}/space.safetensors"),
        weights=made(f"{MODEL}/model.safetensors"),
        model_config=made(f"{MODEL}/config.json"),
        more=open_evaluation,
        tuning=tuned("trials.parquet"),
        controls=controls,
        links=links,
    output:
        plots=report(
            directory(f"{ROOT}/plots"),
            patterns=["{figure}.svg"],
            category="Figures",
            subcategory="{run}" if MANY else None,
            labels={"figure": "{figure}"},
            caption="../report/figure.rst",
        ),
        numbers=f"{ROOT}/report.json",
        page=report(
            f"{ROOT}/report.html",
            category="Report",
            labels={"run": "{run}" if MANY else "report"},
            caption="../report/report.rst",
        ),
    log:
        f"{ROOT}/logs/report.log",
    benchmark:
        f"{ROOT}/benchmarks/report.tsv"
    conda:
        "../../envs/plots.yaml"
    params:
        settings=settings("report"),
        code=code_of("report"),
        record=record("report"),
        benchmarks=f"{ROOT}/benchmarks",
        name="{run}" if MANY else "",
    shell:
        "python -m gradiend.stages.report --settings {params.settings:q}"
        " --trainings {input.trainings:q} --evaluations {input.evaluations:q}"
        " --seed-report {input.seed_report:q} --data-summary {input.data_summary:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q}"
        " --metrics {input.metrics:q} --encodings {input.encodings:q} --grid {input.grid:q}"
        " --decoder {input.decoder:q} --rewritten {input.rewritten:q} --predictions {input.predictions:q}"
        " --mlm-head {input.mlm_head:q} --tuning {input.tuning:q} --controls {input.controls:q}"
        " --space {input.space:q} --weights {input.weights:q} --model-config {input.model_config:q} --benchmarks {params.benchmarks:q}"
        " --name {params.name:q}"
        " --plots {output.plots:q} --numbers {output.numbers:q} --out {output.page:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
