"""Word tables for reading English text out. Data only."""

from collections.abc import Mapping

MONTH_NAMES = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MONTHS: Mapping[str, str] = {
    **{name: name for name in MONTH_NAMES},
    **{name[:3]: name for name in MONTH_NAMES},
    "Sept": "September",
}
