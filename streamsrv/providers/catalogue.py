"""The catalogue: every model by name, with its engine, options, weights and where they come from."""
