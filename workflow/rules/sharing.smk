# Stages that several runs share -> relative links in the folder of each run. Folder: shared/.


if MANY:

    rule link_run:
        output:
            f"{ROOT}/links.json",
        log:
            f"{ROOT}/logs/link_run.log",
        localrule: True
        conda:
            "../../envs/gradiend.yaml"
        params:
            links=as_file(links_of_run),
            code=code_of("link_shared"),
        shell:
            "python -m gradiend.stages.link_shared --links {params.links:q} --out {output:q} 2> {log:q}"

    rule link_seeds:
        input:
            made(rules.select_seed.output.report),
            more=open_evaluation,
        output:
            f"{RUN_SEEDS}/links.json",
        log:
            f"{ROOT}/logs/link_seeds.log",
        localrule: True
        conda:
            "../../envs/gradiend.yaml"
        params:
            links=as_file(links_of_seeds),
            code=code_of("link_shared"),
        shell:
            "python -m gradiend.stages.link_shared --links {params.links:q} --out {output:q} 2> {log:q}"
