"""What all engines share: the catalogue, weights, loading, fallback."""
