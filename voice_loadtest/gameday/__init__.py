"""Bad days, played on everything: what must fire, what must be rolled back, and how soon all is well again."""
