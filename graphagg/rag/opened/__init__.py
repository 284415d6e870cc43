"""What an opened passage index does: answers, changes, and what it says of its corpus."""
