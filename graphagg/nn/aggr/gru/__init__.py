"""Binary GRU folds: by level, fused for the CPU, and the numba kernel."""
