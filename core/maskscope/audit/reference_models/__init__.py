"""The models of the gallery: `sound`, which every check must pass, and `mutants`, which some check must reject."""
