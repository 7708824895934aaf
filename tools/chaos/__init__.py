"""Every provider fails in every way, in whole calls."""
