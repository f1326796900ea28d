rule gates:
    input:
        steps["gates"].inputs(asked),
    output:
        work["gates"],
        "<results>/gates.parquet",
        report(
            "<results>/gates.tsv",
            caption="../report/gates.rst",
            category="Gates",
            labels={"table": "ranked gates", "run": asked.name},
        ),
        "<results>/exposure.parquet",
        report(
            "<results>/exposure.tsv",
            caption="../report/exposure.rst",
            category="Exposure",
            labels={
                "table": "exposure of tumour and normal tissue",
                "run": asked.name,
            },
        ),
    log:
        "<logs>/gates.log",
    benchmark:
        "<benchmarks>/gates.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=grows(2000, 6),
        runtime=grows(40, 0.2),
    params:
        primary=lookup(dpath="primary", within=config),
        indication=lookup(dpath="indication", within=config),
        origin=lookup(dpath="origin", within=config),
        sex=lookup(dpath="sex", within=config),
        thresholds=lookup(dpath="thresholds", within=config),
        coverage_floor=lookup(dpath="coverage_floor", within=config),
        top=lookup(dpath="top", within=config),
    script:
        "../scripts/step.py"
