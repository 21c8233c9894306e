# Everything -> figures and one page. Files: plots/, report.html.


rule report:
    input:
        trainings=per_seed(rules.train.output.training),
        evaluations=per_seed(rules.evaluate_encoder.output[0]),
        seed_report=rules.select_seed.output.report,
        data_summary=rules.prepare_data.output.summary,
        examples=rules.prepare_data.output.examples,
        neutral=rules.prepare_data.output.neutral,
        metrics=rules.evaluate_test.output.metrics,
        encodings=rules.evaluate_test.output.encodings,
        grid=rules.evaluate_decoder.output.grid,
        decoder=rules.evaluate_decoder.output.summary,
        rewritten=rules.rewrite_model.output.summary,
        predictions=rules.rewrite_model.output.predictions,
        space=f"{MODEL}/space.safetensors",
        weights=f"{MODEL}/model.safetensors",
        model_config=f"{MODEL}/config.json",
        more=open_evaluation,
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
        "../../envs/gradiend.yaml"
    params:
        settings=settings("report"),
        code=code_digest("report"),
        benchmarks=f"{ROOT}/benchmarks",
    shell:
        "python -m gradiend.stages.report --settings {params.settings:q}"
        " --trainings {input.trainings:q} --evaluations {input.evaluations:q}"
        " --seed-report {input.seed_report:q} --data-summary {input.data_summary:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q}"
        " --metrics {input.metrics:q} --encodings {input.encodings:q} --grid {input.grid:q}"
        " --decoder {input.decoder:q} --rewritten {input.rewritten:q} --predictions {input.predictions:q}"
        " --space {input.space:q} --weights {input.weights:q} --model-config {input.model_config:q} --benchmarks {params.benchmarks:q}"
        " --plots {output.plots:q} --numbers {output.numbers:q} --out {output.page:q} 2> {log:q}"
