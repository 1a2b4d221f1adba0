"""The models: a package for each kind, and the catalogue, weights and loading of all."""
