# Gradients of a few examples -> importance -> the kept space; trained weights -> fewer entries. Folder: pruning/.


rule cache_importance:
    input:
        as_recorded("cache_importance"),
        base_model_of,
        examples=made(rules.prepare_data.output.examples),
        mlm_head=mlm_head("head.safetensors"),
    output:
        f"{IMPORTANCE}/importance.safetensors",
    log:
        f"{SHARED}/logs/cache_importance{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/cache_importance{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    threads: 4
    resources:
        mem_mb=mem_mb("cache_importance"),
        runtime=runtime("cache_importance"),
        gpu=gpu("cache_importance"),
        eval_batch_size=eval_batch_size,
        device=device("base_model"),
    params:
        settings=settings("cache_importance"),
        code=code_of("cache_importance"),
        record=record("cache_importance"),
    shell:
        "python -m gradiend.gpus {resources.gpu} -m gradiend.stages.cache_importance --settings {params.settings:q}"
        " --examples {input.examples:q} --mlm-head {input.mlm_head:q} --eval-batch-size {resources.eval_batch_size} --device {resources.device} --out {output:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"


# Without pre_prune_config there is no importance: the space is all selected parameters of the base model.
rule pre_prune:
    input:
        as_recorded("pre_prune"),
        whole_model_of,
        importance=importance_of,
    output:
        f"{SPACE}/space.safetensors",
    log:
        f"{SHARED}/logs/pre_prune{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/pre_prune{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("pre_prune"),
        runtime=runtime("pre_prune"),
    params:
        settings=settings("pre_prune"),
        code=code_of("pre_prune"),
        record=record("pre_prune"),
    shell:
        "python -m gradiend.stages.pre_prune --settings {params.settings:q}"
        " --importance {input.importance:q} --out {output:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"


rule post_prune:
    input:
        as_recorded("post_prune"),
        best=made(gradiend_files(f"{SELECTED}/best")),
    output:
        model=gradiend_files(MODEL),
    log:
        f"{SHARED}/logs/post_prune{OF}.log",
    benchmark:
        f"{SHARED}/benchmarks/post_prune{OF}.tsv"
    conda:
        "../../envs/gradiend.yaml"
    resources:
        mem_mb=mem_mb("post_prune"),
        runtime=runtime("post_prune"),
    params:
        settings=settings("post_prune"),
        code=code_of("post_prune"),
        record=record("post_prune"),
        best=folder_of_input("best"),
        out=folder_of_output("model"),
    shell:
        "python -m gradiend.stages.post_prune --settings {params.settings:q}"
        " --best {params.best:q} --out {params.out:q}"
        " --record {params.record:q} {params.code} 2> {log:q}"
