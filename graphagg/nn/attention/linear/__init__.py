"""Attention at linear cost: kernels, Performer, SGFormer, Polynormer."""
