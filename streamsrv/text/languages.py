"""Converts the languages that clients write to the ISO 639-1 codes that engines take. Pure.

Sources: ISO 639-1, ISO 639-2, and Whisper's languages, which include Hawaiian and Cantonese (three-letter codes).
"""

import re

_TABLE = """
aa aar Afar|ab abk Abkhazian|af afr Afrikaans|ak aka Akan|am amh Amharic|an arg Aragonese|ar ara Arabic|as asm Assamese
av ava Avaric|ay aym Aymara|az aze Azerbaijani|ba bak Bashkir|be bel Belarusian|bg bul Bulgarian|bm bam Bambara
bn ben Bengali|bo bod Tibetan|br bre Breton|bs bos Bosnian|ca cat Catalan|ce che Chechen|co cos Corsican|cs ces Czech
cv chv Chuvash|cy cym Welsh|da dan Danish|de deu German|dv div Divehi|dz dzo Dzongkha|ee ewe Ewe|el ell Greek
en eng English|eo epo Esperanto|es spa Spanish|et est Estonian|eu eus Basque|fa fas Persian|ff ful Fulah|fi fin Finnish
fj fij Fijian|fo fao Faroese|fr fra French|fy fry Western Frisian|ga gle Irish|gd gla Scottish Gaelic|gl glg Galician
gn grn Guarani|gu guj Gujarati|gv glv Manx|ha hau Hausa|haw haw Hawaiian|he heb Hebrew|hi hin Hindi|hr hrv Croatian
ht hat Haitian Creole|hu hun Hungarian|hy hye Armenian|ia ina Interlingua|id ind Indonesian|ig ibo Igbo|is isl Icelandic
it ita Italian|iu iku Inuktitut|ja jpn Japanese|jv jav Javanese|ka kat Georgian|kk kaz Kazakh|kl kal Greenlandic
km khm Khmer|kn kan Kannada|ko kor Korean|ks kas Kashmiri|ku kur Kurdish|kw cor Cornish|ky kir Kyrgyz|la lat Latin
lb ltz Luxembourgish|lg lug Ganda|ln lin Lingala|lo lao Lao|lt lit Lithuanian|lv lav Latvian|mg mlg Malagasy
mi mri Maori|mk mkd Macedonian|ml mal Malayalam|mn mon Mongolian|mr mar Marathi|ms msa Malay|mt mlt Maltese
my mya Burmese|nb nob Bokmal|ne nep Nepali|nl nld Dutch|nn nno Nynorsk|no nor Norwegian|nv nav Navajo|ny nya Chichewa
oc oci Occitan|om orm Oromo|or ori Odia|os oss Ossetian|pa pan Punjabi|pl pol Polish|ps pus Pashto|pt por Portuguese
qu que Quechua|rm roh Romansh|rn run Rundi|ro ron Romanian|ru rus Russian|rw kin Kinyarwanda|sa san Sanskrit
sc srd Sardinian|sd snd Sindhi|se sme Northern Sami|sg sag Sango|si sin Sinhala|sk slk Slovak|sl slv Slovenian
sm smo Samoan|sn sna Shona|so som Somali|sq sqi Albanian|sr srp Serbian|ss ssw Swati|st sot Southern Sotho
su sun Sundanese|sv swe Swedish|sw swa Swahili|ta tam Tamil|te tel Telugu|tg tgk Tajik|th tha Thai|ti tir Tigrinya
tk tuk Turkmen|tl tgl Tagalog|tn tsn Tswana|to ton Tongan|tr tur Turkish|ts tso Tsonga|tt tat Tatar|tw twi Twi
ty tah Tahitian|ug uig Uyghur|uk ukr Ukrainian|ur urd Urdu|uz uzb Uzbek|ve ven Venda|vi vie Vietnamese|vo vol Volapuk
wa wln Walloon|wo wol Wolof|xh xho Xhosa|yi yid Yiddish|yo yor Yoruba|yue yue Cantonese|za zha Zhuang|zh zho Chinese
zu zul Zulu
"""
_ALIASES = """
alb sq|arm hy|baq eu|bokmål nb|castilian es|chi zh|cmn zh|cze cs|dut nl|farsi fa|fil tl|filipino tl
flemish nl|fre fr|geo ka|ger de|gre el|haitian ht|ice is|in id|iw he|ji yi|jw jv|letzeburgesch lb|mac mk
mandarin zh|mao mi|may ms|moldavian ro|moldovan ro|myanmar my|norwegian bokmal nb|norwegian nynorsk nn|panjabi pa
per fa|pushto ps|rum ro|sinhalese si|slo sk|tib bo|valencian ca|wel cy
"""


WHISPER_LANGUAGES = tuple(
    """
af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is it ja
jv ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq
sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh
""".split()
)
"""The languages of OpenAI's Whisper. Version 3 also knows Cantonese (`yue`)."""


def _entries(table: str) -> list[list[str]]:
    return [entry.split(" ") for entry in table.strip().replace("\n", "|").split("|")]


LANGUAGE_NAMES = {code: " ".join(name) for code, _, *name in _entries(_TABLE)}
"""The English names of languages by ISO 639-1 code."""

_CODES = (
    {" ".join(alias): code for *alias, code in _entries(_ALIASES)}
    | {name.lower(): code for code, name in LANGUAGE_NAMES.items()}
    | {three_letters: code for code, three_letters, *_ in _entries(_TABLE)}
    | {code: code for code in LANGUAGE_NAMES}
)
_TAG = re.compile(r"([a-z]{2,3})(?:[-_][a-z0-9]{2,8}){0,4}")
MAX_TAG = 35
"""Characters in a language tag (RFC 5646, section 4.4.1); all names above are shorter."""


def normalize_language(text: str) -> str | None:
    """Return the ISO 639-1 code of a language given as a code, a tag or an English name; None for other text.

    `EN`, `en-US`, `en_us`, `eng` and `English` all give `en`: a script or region after the language is dropped.
    """
    if len(text) > MAX_TAG:
        return None
    given = text.strip().lower()
    if given in _CODES:
        return _CODES[given]
    tag = _TAG.fullmatch(given)
    return _CODES.get(tag[1]) if tag else None
