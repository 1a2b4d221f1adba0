"""Parameters of the beta protocol, and the parameters that replace them.

Source: the beta and GA schemas of OpenAI Realtime.
"""

_OF_BOTH = {
    "modalities": "output_modalities",
    "output_audio_format": "audio.output.format",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "max_response_output_tokens": "max_output_tokens",
    "temperature": "",
}
_OF_SESSIONS = {
    **_OF_BOTH,
    "input_audio_format": "audio.input.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
}


def replacement(path: str) -> str:
    """Return a sentence that names the replacement of a beta parameter; empty for other parameters."""
    owner, _, name = path.partition(".")
    names = {"session": _OF_SESSIONS, "response": _OF_BOTH}.get(owner, {})
    if name not in names:
        return ""
    instead = f"send '{owner}.{names[name]}' instead" if names[name] else "it has no replacement"
    return f"It belongs to the beta protocol: {instead}."
