"""What an alert that asks for a rollback does: evidence, decision, notification."""
