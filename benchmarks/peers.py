"""MinHash and LSH with datasketch and rensa, over the same flat rows of integers."""

from __future__ import annotations


def datasketch_build(
    values: list[int], offsets: list[int], permutations: int, bands: int, rows: int
) -> object:
    """Build with datasketch's fastest options: batch updates, shared permutations, sessions."""
    from datasketch import MinHash, MinHashLSH

    first = MinHash(num_perm=permutations, hashfunc=int)
    lsh = MinHashLSH(num_perm=permutations, params=(bands, rows))
    signatures = []
    with lsh.insertion_session() as session:
        for row in range(len(offsets) - 1):
            signature = MinHash(
                num_perm=permutations, hashfunc=int, permutations=first.permutations,
                scheme="affine32",
            )  # fmt: skip
            signature.update_batch(values[offsets[row] : offsets[row + 1]])
            session.insert(row, signature, check_duplication=False)
            signatures.append(signature)
    return lsh, signatures


def rensa_build(
    values: list[int], offsets: list[int], permutations: int, bands: int, rows: int
) -> object:
    """Build with rensa's functions for flat rows."""
    from rensa import RMinHash, RMinHashLSH

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        values, offsets, num_perm=permutations, seed=1
    )
    lsh = RMinHashLSH(threshold=0.5, num_perm=permutations, num_bands=bands)
    lsh.insert_matrix(matrix)
    return lsh, matrix


PEERS = {"datasketch": datasketch_build, "rensa": rensa_build}
