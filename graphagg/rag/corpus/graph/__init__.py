"""The graph of a corpus: which passage names which entity, and which entities share sentences."""
