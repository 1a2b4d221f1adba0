"""Several synthesisers as one: which voice speaks, and what happens when one fails."""
