"""From seed vertices to a ranking of the vertices around them."""
