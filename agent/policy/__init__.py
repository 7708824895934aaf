"""Which model, voice and chains a session gets: policies, their assignment to tiers, and the routing of a turn."""
