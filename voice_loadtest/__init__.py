"""Callers: they speak the public protocol only (docs/protocol.md), for demos, tests, benchmarks and game days."""
