# Base model and GRADIEND -> the grid of rewritten models and the choice among them. Folder: decoder/.


rule evaluate_decoder:
    input:
        base_model_of,
        stored("train"),
        model=rules.post_prune.output.model,
        examples=rules.prepare_data.output.examples,
        neutral=rules.prepare_data.output.neutral,
        data_summary=rules.prepare_data.output.summary,
        space=rules.pre_prune.output,
        train_rows=rows("train"),
    output:
        grid=f"{ROOT}/decoder/grid.parquet",
        positions=f"{ROOT}/decoder/lms_positions.parquet",
        summary=f"{ROOT}/decoder/summary.json",
    log:
        f"{ROOT}/logs/evaluate_decoder.log",
    benchmark:
        f"{ROOT}/benchmarks/evaluate_decoder.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb("evaluate_decoder"),
        runtime=runtime("evaluate_decoder"),
        gpu=gpu("evaluate_decoder"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("evaluate_decoder"),
        code=code_digest("evaluate_decoder"),
        model=folder_of_input("model"),
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.evaluate_decoder --settings {params.settings:q} --model {params.model:q}"
        " --examples {input.examples:q} --neutral {input.neutral:q} --data-summary {input.data_summary:q}"
        " --space {input.space:q} --train-rows {input.train_rows:q} --eval-batch-size {resources.eval_batch_size} --device {resources.device}"
        " --grid {output.grid:q} --positions {output.positions:q} --summary {output.summary:q} 2> {log:q}"
