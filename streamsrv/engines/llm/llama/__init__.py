"""The parts of the llama.cpp engine: its server object, slots, saved states, and help for a very small model."""
