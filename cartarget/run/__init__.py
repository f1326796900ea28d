"""How a run is done: inputs, steps, what stands beside the scores, and the words of the report."""
