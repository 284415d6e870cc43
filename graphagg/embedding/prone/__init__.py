"""The factorization: ProNE per piece, merged and propagated."""
