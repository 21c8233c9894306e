# The reports of several runs -> one page that has them all. File: index.html.


rule index:
    input:
        numbers=of_all_runs(f"{ROOT}/report.json"),
        pages=of_all_runs(f"{ROOT}/report.html"),
        comparison=rules.compare_runs.output.summary if len(RUNS) > 1 else [],
        figures=rules.compare_runs.output.figures if len(RUNS) > 1 else [],
    output:
        report(f"{OUT}/index.html", category="Report", labels={"run": "all runs"}, caption="../report/index.rst"),
    log:
        f"{OUT}/logs/index.log",
    benchmark:
        f"{OUT}/benchmarks/index.tsv"
    conda:
        "../../envs/plots.yaml"
    params:
        code=code_of("index"),
    shell:
        "python -m gradiend.stages.index --numbers {input.numbers:q} --comparison {input.comparison:q}"
        " --figures {input.figures:q} --out {output:q} 2> {log:q}"
