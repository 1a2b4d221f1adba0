"""Symbols of units and currencies, the same in most languages, and their codes in CLDR and ISO. Data only."""

from collections.abc import Mapping

UNITS: Mapping[str, str] = {
    "%": "percent",
    "‰": "permille",
    "°C": "celsius",
    "℃": "celsius",
    "°F": "fahrenheit",
    "℉": "fahrenheit",
    "°": "degree",
    "nm": "nanometer",
    "µm": "micrometer",
    "μm": "micrometer",
    "mm": "millimeter",
    "cm": "centimeter",
    "m": "meter",
    "km": "kilometer",
    "mi": "mile",
    "ft": "foot",
    "yd": "yard",
    "cm²": "square-centimeter",
    "m²": "square-meter",
    "km²": "square-kilometer",
    "ha": "hectare",
    "cm³": "cubic-centimeter",
    "m³": "cubic-meter",
    "ml": "milliliter",
    "mL": "milliliter",
    "cl": "centiliter",
    "dl": "deciliter",
    "l": "liter",
    "L": "liter",
    "µg": "microgram",
    "mg": "milligram",
    "g": "gram",
    "kg": "kilogram",
    "t": "tonne",
    "lb": "pound",
    "lbs": "pound",
    "oz": "ounce",
    "ms": "millisecond",
    "s": "second",
    "sec": "second",
    "min": "minute",
    "h": "hour",
    "Hz": "hertz",
    "kHz": "kilohertz",
    "MHz": "megahertz",
    "GHz": "gigahertz",
    "V": "volt",
    "W": "watt",
    "kW": "kilowatt",
    "MW": "megawatt",
    "GW": "gigawatt",
    "kWh": "kilowatt-hour",
    "mA": "milliampere",
    "Ω": "ohm",
    "kJ": "kilojoule",
    "cal": "calorie",
    "kcal": "kilocalorie",
    "hPa": "hectopascal",
    "kPa": "kilopascal",
    "bar": "bar",
    "kB": "kilobyte",
    "KB": "kilobyte",
    "MB": "megabyte",
    "GB": "gigabyte",
    "TB": "terabyte",
    "PB": "petabyte",
    "px": "pixel",
    "km/h": "kilometer-per-hour",
    "kmh": "kilometer-per-hour",
    "kph": "kilometer-per-hour",
    "mph": "mile-per-hour",
    "m/s": "meter-per-second",
}
"""Symbol to unit. Not `in` and `a`, which are words."""

RATES: Mapping[str, tuple[str, str]] = {
    "kbps": ("kilobit", "second"),
    "Mbps": ("megabit", "second"),
    "Gbps": ("gigabit", "second"),
    "kbit/s": ("kilobit", "second"),
    "Mbit/s": ("megabit", "second"),
    "Gbit/s": ("gigabit", "second"),
}
"""Symbol to unit and the unit of what it is counted in."""

PER = ("second", "minute", "hour", "day", "week", "month", "year", "kilogram", "gram", "liter", "square-meter")
"""What may follow the slash of a rate, by its name or symbol."""

CURRENCIES: Mapping[str, str] = {
    "$": "USD",
    "US$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "￥": "JPY",
    "₹": "INR",
    "₩": "KRW",
    "₽": "RUB",
    "₺": "TRY",
    "₴": "UAH",
    "zł": "PLN",
    "Kč": "CZK",
    "R$": "BRL",
}
"""Sign to currency. `¥` is the yuan in Chinese."""

CURRENCY_CODES = frozenset(
    """AUD BRL CAD CHF CNY CZK DKK EUR GBP HUF INR JPY KRW MXN NOK PLN RUB SEK TRY UAH USD""".split()
)
