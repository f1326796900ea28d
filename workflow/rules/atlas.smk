rule read:
    input:
        steps["read"].inputs(asked),
    output:
        steps["read"].outputs(asked),
    log:
        "<logs>/read.log",
    benchmark:
        "<benchmarks>/read.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(2000, 4),
        runtime=grows(20, 0.05),
    params:
        # a function, since {indication} in a file pattern is no wildcard
        atlases=lambda wildcards: lookup(dpath="atlases", within=config),
        primary=lookup(dpath="primary", within=config),
        data_dir=lookup(dpath="data_dir", within=config),
        indication=lookup(dpath="indication", within=config),
        genes=lookup(dpath="genes", within=config),
        surface=lookup(dpath="surface", within=config),
        seed=lookup(dpath="seed", within=config),
    script:
        "../scripts/step.py"


rule count:
    input:
        steps["count"].inputs(asked),
    output:
        steps["count"].outputs(asked),
    log:
        "<logs>/count.log",
    benchmark:
        "<benchmarks>/count.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(2000, 4),
        runtime=grows(20, 0.05),
    params:
        indication=lookup(dpath="indication", within=config),
        origin=lookup(dpath="origin", within=config),
        sex=lookup(dpath="sex", within=config),
        thresholds=lookup(dpath="thresholds", within=config),
    script:
        "../scripts/step.py"
