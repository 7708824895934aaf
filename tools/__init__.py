"""Programs that measure the product: bench, evals, chaos, alert statistics. None of them is a test."""
