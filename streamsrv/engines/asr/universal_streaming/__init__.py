"""The client of AssemblyAI's Universal-Streaming v3."""
