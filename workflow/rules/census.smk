# Cells of CELLxGENE Census, for each atlas that asks for them; in an environment of its own (--sdm conda).
for wanted in asked.atlases:
    if wanted.census:

        rule:
            name:
                re.sub(r"\W", "_", f"census_{wanted.name}")
            output:
                asked.data(wanted.path).as_posix(),
            log:
                f"<logs>/census/{wanted.name}.log",
            conda:
                "../envs/census.yaml"
            resources:
                mem_mb=16000,
                runtime=240,
            params:
                script=f"{workflow.basedir}/scripts/census.py",
                release=wanted.census.release,
                cells=wanted.census.cells,
                most=wanted.census.most,
            shell:
                "python {params.script:q} --release {params.release} --cells {params.cells:q}"
                " --most {params.most} --output {output:q} > {log:q} 2>&1"
