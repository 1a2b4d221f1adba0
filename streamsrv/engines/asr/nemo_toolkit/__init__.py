"""NeMo's toolkit in a process of its own."""
