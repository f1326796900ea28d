"""What a gate would hurt: tissue tiers, exposure of normal populations, known toxicity."""
