"""Attention along sparse edges: BigBird, Exphormer."""
