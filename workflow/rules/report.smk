rule report:
    input:
        steps["report"].inputs(asked),
    output:
        work["report"],
        "<results>/summary.json",
        "<results>/provenance.json",
        "<results>/config.yaml",
        report(
            "<results>/report.html",
            caption="../report/report.rst",
            category="Report",
            labels={"table": "the report to mail", "run": asked.name},
        ),
    log:
        "<logs>/report.log",
    benchmark:
        "<benchmarks>/report.benchmark.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=grows(1500, 4),
        runtime=grows(15, 0.05),
    params:
        asked=lambda wildcards: config,
    script:
        "../scripts/step.py"
