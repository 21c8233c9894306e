# The demo: a corpus and small models that really learn it, a BERT and, of kind "-causal", a GPT-2. Folder: demo/.


rule build_demo_data:
    output:
        texts=f"{DEMO}/texts.txt",
        examples=f"{DEMO}/examples.csv",
        causal_examples=f"{DEMO}/examples-causal.csv",
        later_examples=f"{DEMO}/examples-later.csv",
        neutral=f"{DEMO}/neutral.csv",
    log:
        f"{OUT}/logs/build_demo_data.log",
    benchmark:
        f"{OUT}/benchmarks/build_demo_data.tsv"
    conda:
        "../../envs/gradiend.yaml"
    params:
        code=code_of("build_demo_data"),
    shell:
        "python -m gradiend.stages.build_demo_data --texts {output.texts:q}"
        " --examples {output.examples:q} --causal-examples {output.causal_examples:q}"
        " --later-examples {output.later_examples:q} --neutral {output.neutral:q} 2> {log:q}"


rule build_demo_model:
    input:
        rules.build_demo_data.output.texts,
    output:
        model=[f"{DEMO}/model{{kind}}/{name}" for name in MODEL_FILES],
    log:
        f"{OUT}/logs/build_demo_model{{kind}}.log",
    benchmark:
        f"{OUT}/benchmarks/build_demo_model{{kind}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    params:
        code=code_of("build_demo_model"),
        objective=demo_objective,
        out=folder_of_output("model"),
    shell:
        "python -m gradiend.stages.build_demo_model --texts {input:q}"
        " --objective {params.objective} --out {params.out:q} 2> {log:q}"


# Measures how often the model fills the held-out slots rightly, and fails below 95 %.
rule check_demo_model:
    input:
        model=rules.build_demo_model.output.model,
        examples=f"{DEMO}/examples{{kind}}.csv",
    output:
        f"{DEMO}/accuracy{{kind}}.json",
    log:
        f"{OUT}/logs/check_demo_model{{kind}}.log",
    benchmark:
        f"{OUT}/benchmarks/check_demo_model{{kind}}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    params:
        code=code_of("check_demo_model"),
        objective=demo_objective,
        model=folder_of_input("model"),
    shell:
        "python -m gradiend.stages.check_demo_model --model {params.model:q}"
        " --examples {input.examples:q} --objective {params.objective} --out {output:q} 2> {log:q}"
