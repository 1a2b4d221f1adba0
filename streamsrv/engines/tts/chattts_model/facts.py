"""What is known of a ChatTTS model without loading it: its files, languages and voices. Pure."""

FILES = (
    "asset/Decoder.safetensors",
    "asset/DVAE.safetensors",
    "asset/Embed.safetensors",
    "asset/Vocos.safetensors",
    "asset/gpt/config.json",
    "asset/gpt/model.safetensors",
    "asset/tokenizer/special_tokens_map.json",
    "asset/tokenizer/tokenizer_config.json",
    "asset/tokenizer/tokenizer.json",
)
SIZES_FILE = "asset/config.json"
"""What differs from the configuration of the published model, for a model of one's own; absent: nothing."""
LANGUAGES = ("en", "zh")


def voice_name(seed: int) -> str:
    """Return the name of the voice that is drawn with a seed."""
    return f"seed-{seed}"
