rule screen:
    input:
        steps["screen"].inputs(asked),
    output:
        work["screen"],
        "<results>/antigens.parquet",
        report(
            "<results>/antigens.tsv",
            caption="../report/antigens.rst",
            category="Antigens",
            labels={"table": "ranked antigens", "run": asked.name},
        ),
    log:
        "<logs>/screen.log",
    benchmark:
        "<benchmarks>/screen.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(1500, 4),
        runtime=grows(20, 0.05),
    params:
        primary=lookup(dpath="primary", within=config),
        indication=lookup(dpath="indication", within=config),
        origin=lookup(dpath="origin", within=config),
        sex=lookup(dpath="sex", within=config),
        thresholds=lookup(dpath="thresholds", within=config),
        coverage_floor=lookup(dpath="coverage_floor", within=config),
    script:
        "../scripts/step.py"
