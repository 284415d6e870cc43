"""ProNE factorization per piece, then merge and propagation."""
