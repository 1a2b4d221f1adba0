"""The models: one package for each kind, the catalogue of them all, their weights and how they are loaded."""
