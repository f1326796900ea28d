"""Public atlases from their own servers: what there is, getting it, keeping it honest."""
