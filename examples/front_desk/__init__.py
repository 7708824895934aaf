"""A front desk: an agent that looks up, books and cancels rooms in a database of its own."""
