"""Which gates are best, with proof: templates, branch and bound, certificates."""
