"""Eigenpairs of graph Laplacians: dense, Krylov, Lanczos."""
