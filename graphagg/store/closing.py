"""Mixin: makes a class with `close()` a context manager."""

from __future__ import annotations

from typing import Self


class Closing:
    """A class whose `with` block calls `close()` at its end."""

    def close(self) -> None:
        """Release files and locks."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
