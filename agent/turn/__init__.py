"""One turn of a call: what was heard, the reply that is thought, and the audio that is spoken."""
