"""Overhead, CPU and memory of the service on this machine."""
