def grows(base, per_mb):
    """A resource of a job: `base`, and `per_mb` for each MB of its inputs; times the number of the attempt."""
    return (
        lambda wildcards, input, attempt: round(base + per_mb * input.size_mb) * attempt
    )
