"""A load that goes bad in the middle, for the boards."""
