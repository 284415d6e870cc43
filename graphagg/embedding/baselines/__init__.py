"""Other base embedders and other ways to fuse pieces, for comparison."""
