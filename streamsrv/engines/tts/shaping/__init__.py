"""What is done to the speech of every synthesiser: checks, one rate, one level, silence trimmed, no clicks."""
