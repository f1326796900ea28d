rule larger:
    input:
        steps["larger"].inputs(asked),
    output:
        work["larger"],
    log:
        "<logs>/larger.log",
    benchmark:
        "<benchmarks>/larger.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=grows(2000, 6),
        runtime=grows(100, 0.2),
    params:
        primary=lookup(dpath="primary", within=config),
        indication=lookup(dpath="indication", within=config),
        origin=lookup(dpath="origin", within=config),
        sex=lookup(dpath="sex", within=config),
        thresholds=lookup(dpath="thresholds", within=config),
        coverage_floor=lookup(dpath="coverage_floor", within=config),
        larger=lookup(dpath="larger", within=config),
    script:
        "../scripts/step.py"
