"""How often the alert rules are wrong and how soon they are right, over simulated months."""
