"""The protocol `voice-agent.v1`: JSON events and PCM over one WebSocket."""
