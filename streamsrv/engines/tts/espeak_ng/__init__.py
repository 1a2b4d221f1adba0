"""The command espeak-ng, which engines run as a program of its own, because its licence is GPL-3.0-or-later."""
