"""Writes whole numbers in Chinese, which num2words does not have. Pure."""

_DIGITS = "零一二三四五六七八九"
_PLACES = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿")


def chinese_number(value: int) -> str:
    """Return a number from 0 to 10**16 - 1 as it is read: 10005 is "一万零五"."""
    groups: list[str] = []
    skipped = False  # whether zeros precede the group below
    for name in _GROUPS:
        value, group = divmod(value, 10_000)
        if group:
            zero = "零" if skipped and groups else ""
            groups.append(_group(group) + name + zero)
        skipped = group < 1000 if group or groups else False
        if not value:
            break
    spoken = "".join(reversed(groups))
    return (spoken.removeprefix("一") if spoken.startswith("一十") else spoken) or "零"


def _group(value: int) -> str:
    """Return a number from 1 to 9999."""
    spoken = ""
    zero = False
    for place in (3, 2, 1, 0):
        digit = value // 10**place % 10
        if digit:
            spoken += ("零" if zero and spoken else "") + _DIGITS[digit] + _PLACES[place]
            zero = False
        else:
            zero = True
    return spoken
