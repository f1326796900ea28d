rule trust:
    input:
        steps["trust"].inputs(asked),
    output:
        work["trust"],
        "<results>/shortlist.parquet",
        report(
            "<results>/shortlist.tsv",
            caption="../report/shortlist.rst",
            category="Shortlist",
            labels={"table": "ideas for a meeting", "run": asked.name},
        ),
        "<results>/hardware.parquet",
        report(
            "<results>/hardware.tsv",
            caption="../report/hardware.rst",
            category="Shortlist",
            labels={"table": "constructs that can build the ideas", "run": asked.name},
        ),
        "<results>/escape.parquet",
        report(
            "<results>/escape.tsv",
            caption="../report/escape.rst",
            category="Shortlist",
            labels={"table": "who is missed by the ideas", "run": asked.name},
        ),
        "<results>/people.parquet",
        report(
            "<results>/people.tsv",
            caption="../report/people.rst",
            category="Shortlist",
            labels={"table": "who is at risk", "run": asked.name},
        ),
        "<results>/trust.parquet",
        report(
            "<results>/trust.tsv",
            caption="../report/trust.rst",
            category="Trust",
            labels={"table": "the first gates held to account", "run": asked.name},
        ),
        "<results>/replication.parquet",
        report(
            "<results>/replication.tsv",
            caption="../report/replication.rst",
            category="Trust",
            labels={"table": "the first gates in a second cohort", "run": asked.name},
        ),
        "<results>/doublets.parquet",
        report(
            "<results>/doublets.tsv",
            caption="../report/doublets.rst",
            category="Trust",
            labels={"table": "gates without doublets", "run": asked.name},
        ),
        "<results>/conflicts.parquet",
        report(
            "<results>/conflicts.tsv",
            caption="../report/conflicts.rst",
            category="Trust",
            labels={"table": "where atlases contradict", "run": asked.name},
        ),
    log:
        "<logs>/trust.log",
    benchmark:
        "<benchmarks>/trust.benchmark.tsv"
    conda:
        "../../environment.yml"
    threads: 2
    resources:
        mem_mb=grows(2000, 8),
        runtime=grows(40, 0.2),
    params:
        primary=lookup(dpath="primary", within=config),
        indication=lookup(dpath="indication", within=config),
        origin=lookup(dpath="origin", within=config),
        sex=lookup(dpath="sex", within=config),
        thresholds=lookup(dpath="thresholds", within=config),
        coverage_floor=lookup(dpath="coverage_floor", within=config),
        trust=lookup(dpath="trust", within=config),
        seed=lookup(dpath="seed", within=config),
    script:
        "../scripts/step.py"
