"""The files of a ChatTTS model, in its folder. Pure."""

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
