"""Checks the pictures that clients send as `data:` URLs."""

import binascii
import re

from streamsrv.protocol.errors import ProtocolError

MAX_IMAGE_BYTES = 5_000_000
"""Bytes of one picture: what Anthropic takes, the least of the providers."""
MAX_IMAGE_URL = MAX_IMAGE_BYTES * 4 // 3 + 100
"""Characters of its URL."""
MAX_IMAGES = 20
"""Pictures in one message."""
_DATA_URL = re.compile(r"data:(image/(?:png|jpeg|webp|gif));base64,", re.ASCII)
_SIGNATURES = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "image/gif": re.compile(rb"GIF8[79]a"),
}
_SIGNATURE_CHARACTERS = 32


def check_image_url(url: str, param: str) -> None:
    """Refuse what is not the `data:` URL of a picture; the error quotes only its beginning."""
    head = _DATA_URL.match(url)
    if head is None:
        accepted = "'data:image/png;base64,...', the same with image/jpeg, image/webp or image/gif"
        raise _invalid(f"it begins with {url[:30]!r}; accepted is {accepted}", param)
    encoded = url[head.end() :]
    size = len(encoded) * 3 // 4
    if size > MAX_IMAGE_BYTES:
        raise _invalid(f"the picture has {size} bytes; at most {MAX_IMAGE_BYTES} are accepted", param)
    try:
        binascii.a2b_base64(encoded, strict_mode=True)
        beginning = binascii.a2b_base64(encoded[:_SIGNATURE_CHARACTERS])
    except ValueError as error:
        raise _invalid(f"it is not base64 ({error})", param) from None
    if not _SIGNATURES[head[1]].match(beginning):
        raise _invalid(f"its bytes are not those of {head[1]}", param)


def _invalid(reason: str, param: str) -> ProtocolError:
    return ProtocolError("invalid_value", f"Invalid value for '{param}': {reason}.", param)
