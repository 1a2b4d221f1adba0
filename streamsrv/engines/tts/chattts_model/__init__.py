"""ChatTTS, as it runs in a process of its own."""
