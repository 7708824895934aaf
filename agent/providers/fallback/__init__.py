"""What happens when a provider fails: chains, breakers, probes, replay of unheard audio."""
