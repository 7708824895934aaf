"""What a stranger can do: bounded attacks on a service of its own on loopback (`make attack`)."""
