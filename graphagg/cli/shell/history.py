"""Undo: the current view of a shell, and the views before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from graphagg.errors import InvalidParameter

View = TypeVar("View")


@dataclass(frozen=True)
class History(Generic[View]):
    """A view and those before it.

    Attributes:
        now: what is looked at.
        past: earlier views, the oldest first; neighbors differ.
    """

    now: View
    past: tuple[View, ...] = ()

    def to(self, view: View) -> History[View]:
        """Look at another view; the same one leaves no trace."""
        return self if view == self.now else History(view, (*self.past, self.now))

    def undo(self) -> History[View]:
        """Go back by one; `InvalidParameter` at the beginning."""
        if not self.past:
            raise InvalidParameter("there is nothing to undo; this is where the session began")
        return History(self.past[-1], self.past[:-1])
