"""The ports: what the engine needs from the world. Each has a real and a fake implementation, both shipped."""
