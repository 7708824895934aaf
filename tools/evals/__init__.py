"""The memory, measured against baselines on outside data."""
