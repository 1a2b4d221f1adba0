"""Words for reading text out that no library has, by language. Data only."""

from collections.abc import Mapping
from dataclasses import dataclass, field


def _table(entries: str) -> dict[str, str]:
    """Read entries such as `&: und | +: plus`."""
    return {key: word for key, _, word in (entry.partition(": ") for entry in " ".join(entries.split()).split(" | "))}


@dataclass(frozen=True, slots=True)
class Phrases:
    """The words of one language. What is empty is not read out: the text stays as it is written."""

    addresses: tuple[str, ...] = ()
    """Words for `.`, `@`, `-`, `_` in an address."""
    symbols: Mapping[str, str] = field(default_factory=dict[str, str])
    """Words for single characters, and for `x` between numbers."""
    until: str = ""
    """Between the numbers of a range."""
    code: str = ""
    """Said for a block of code."""
    clock: str = ""
    """The time `{h}:{m}`; empty: the hours and minutes with the names of the units."""
    full_hour: str = ""
    """The time `{h}:00`."""
    clock_word: str = ""
    """What is written after a time and is in `clock` already: a pattern."""
    scale_link: str = ""
    """Between "million" and a currency."""
    percent: str = "{0} %"
    """Where CLDR has no word for it."""
    per: str = ""
    """Where CLDR has only a slash for it."""
    decimal_point: str = ""
    """Where num2words has another word than people say, or none."""
    minus: str = ""
    """Where num2words has none."""
    ordinal: str = ""
    """A pattern of what makes the number before it an ordinal."""
    feminine: tuple[str, ...] = ()
    """The ends of feminine nouns among units and currencies, where "one" has genders."""
    hundredths: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """The name of a hundredth of a currency, and of several, where num2words has none."""
    currencies: Mapping[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    """The name of a currency, and of several, where CLDR has only one that tells the country, too."""
    abbreviations: Mapping[str, str] = field(default_factory=dict[str, str])


_DE = Phrases(
    addresses=("Punkt", "ät", "Minus", "Unterstrich"),
    symbols=_table(
        """^: hoch | :: zu
        | &: und | +: plus | =: gleich | <: kleiner als | >: größer als | ×: mal | ÷: geteilt durch | ≤: höchstens |
        ≥: mindestens | ≈: ungefähr | ±: plus minus | →: nach | @: ät | #: Nummer | x: mal | §: Paragraf | √: Wurzel
        aus"""
    ),
    until="bis",
    code="Code ausgelassen.",
    clock="{h} Uhr {m}",
    full_hour="{h} Uhr",
    clock_word=r"[ \u00a0]?Uhr\b",
    ordinal=r"\.(?=[ ]+(?:[A-ZÄÖÜ]|(?:bis|und|oder)[ ]))",
    feminine=("e",),
    abbreviations=_table(
        """MwSt.: Mehrwertsteuer | z. B.: zum Beispiel | z.B.: zum Beispiel
        | d. h.: das heißt | d.h.: das heißt | u. a.: unter anderem | u.a.:
        unter anderem | z. T.: zum Teil | z.T.: zum Teil | i. d. R.: in der Regel | o. Ä.: oder Ähnliches | usw.:
        und so weiter | etc.: et cetera | bzw.: beziehungsweise | ca.: circa | evtl.: eventuell | ggf.:
        gegebenenfalls | inkl.: inklusive | exkl.: exklusive | vgl.: vergleiche | sog.: sogenannt | max.: maximal |
        min.: minimal | Dr.: Doktor | Prof.: Professor | Nr.: Nummer | Str.: Straße | St.: Sankt | Abs.: Absatz |
        Std.: Stunden | Tel.: Telefon | Mio.: Millionen | Mrd.: Milliarden | Hr.: Herr | Fr.: Frau | v. Chr.: vor
        Christus | n. Chr.: nach Christus"""
    ),
)
_FR = Phrases(
    addresses=("point", "arobase", "tiret", "tiret bas"),
    symbols=_table(
        """^: puissance | :: à
        | &: et | +: plus | =: égale | <: inférieur à | >: supérieur à | ×: fois | ÷: divisé par | ≤: au plus | ≥: au
        moins | ≈: environ | ±: plus ou moins | →: vers | @: arobase | #: numéro | x: fois | §: paragraphe | √:
        racine de | №: numéro"""
    ),
    until="à",
    code="Code omis.",
    clock="{hours} {m}",
    full_hour="{hours}",
    scale_link="de ",
    ordinal=r"(?:ers?|res?|e|è|ème|es|nde?)\b",
    feminine=tuple(
        """heure minute seconde livre once tonne semaine année nuit calorie couronne roupie journée""".split()
    ),
    abbreviations=_table(
        """M.: monsieur | MM.: messieurs | Mme: madame | Mmes: mesdames | Mlle: mademoiselle | Dr: docteur | Dr.:
        docteur | Pr: professeur | p. ex.: par exemple | p.ex.: par exemple | c.-à-d.: c'est-à-dire | etc.: et
        cetera | env.: environ | n°: numéro | N°: numéro | no.: numéro | av.: avenue | bd: boulevard | St: saint |
        Ste: sainte | tél.: téléphone | max.: maximum | min.: minimum | cf.: confer | av. J.-C.: avant Jésus-Christ
        | apr. J.-C.: après Jésus-Christ"""
    ),
)
_ES = Phrases(
    addresses=("punto", "arroba", "guion", "guion bajo"),
    symbols=_table(
        """^: elevado a | :: a
        | &: y | +: más | =: igual a | <: menor que | >: mayor que | ×: por | ÷: entre | ≤: como máximo | ≥: como
        mínimo | ≈: aproximadamente | ±: más menos | →: a | @: arroba | #: número | x: por | √: raíz de | №: número"""
    ),
    until="a",
    code="Código omitido.",
    clock="{h} y {m}",
    full_hour="{h} en punto",
    scale_link="de ",
    decimal_point="coma",
    ordinal=r"\.?(?:[ºª°]|er\b|os?\b(?<=[.]o)|as?\b(?<=[.]a))",
    feminine=tuple("""libra milla hora onza tonelada semana yarda pulgada caloría kilocaloría corona rupia""".split()),
    abbreviations=_table(
        """Sr.: señor | Sra.: señora | Srta.: señorita | Dr.: doctor | Dra.: doctora | D.: don | Dña.: doña | Ud.:
        usted | Uds.: ustedes | p. ej.: por ejemplo | p.ej.: por ejemplo | etc.: etcétera | EE. UU.: Estados Unidos
        | EE.UU.: Estados Unidos | aprox.: aproximadamente | núm.: número | n.º: número | nº: número | Nº: número |
        pág.: página | págs.: páginas | av.: avenida | Avda.: avenida | Av.: avenida | tel.: teléfono | máx.: máximo
        | mín.: mínimo | a. C.: antes de Cristo | d. C.: después de Cristo | a. m.: de la mañana | p. m.: de la
        tarde | a.m.: de la mañana | p.m.: de la tarde"""
    ),
)
_IT = Phrases(
    addresses=("punto", "chiocciola", "trattino", "trattino basso"),
    symbols=_table(
        """^: elevato a | :: a
        | &: e | +: più | =: uguale | <: minore di | >: maggiore di | ×: per | ÷: diviso | ≤: al massimo | ≥: almeno |
        ≈: circa | ±: più o meno | →: a | @: chiocciola | #: numero | x: per | √: radice di"""
    ),
    until="a",
    code="Codice omesso.",
    clock="{h} e {m}",
    full_hour="{h} in punto",
    scale_link="di ",
    decimal_point="virgola",
    minus="meno",
    ordinal=r"(?:[ºª]|°(?=[ ][a-zà-ù]{3}))",
    feminine=("a",),
    abbreviations=_table(
        """Sig.: signor | Sig.ra: signora | Sig.na: signorina | Dott.: dottor | Dott.ssa: dottoressa | Dr.: dottor |
        Prof.: professor | Prof.ssa: professoressa | Ing.: ingegner | Avv.: avvocato | ad es.: ad esempio | p. es.:
        per esempio | ecc.: eccetera | etc.: eccetera | ca.: circa | n.: numero | pag.: pagina | tel.: telefono |
        max.: massimo | min.: minimo | a.C.: avanti Cristo | d.C.: dopo Cristo | cfr.: confronta"""
    ),
)
_PT = Phrases(
    addresses=("ponto", "arroba", "hífen", "sublinhado"),
    symbols=_table(
        """^: elevado a | :: a
        | &: e | +: mais | =: igual a | <: menor que | >: maior que | ×: vezes | ÷: dividido por | ≤: no máximo | ≥:
        pelo menos | ≈: aproximadamente | ±: mais ou menos | →: para | @: arroba | #: número | x: por | √: raiz de"""
    ),
    currencies={"BRL": ("real", "reais")},
    until="a",
    code="Código omitido.",
    clock="{h} e {m}",
    full_hour="{hours}",
    scale_link="de ",
    ordinal=r"\.?[ºª°](?![CF])",
    feminine=tuple(
        """hora libra milha tonelada onça semana jarda polegada caloria quilocaloria coroa rupia noite""".split()
    ),
    hundredths={"BRL": ("centavo", "centavos"), "USD": ("centavo", "centavos")},
    abbreviations=_table(
        """Sr.: senhor | Sra.: senhora | Dr.: doutor | Dra.: doutora | Prof.: professor | Profa.: professora | p. ex.:
        por exemplo | p.ex.: por exemplo | etc.: etcétera | aprox.: aproximadamente | n.º: número | nº: número | Nº:
        número | pág.: página | av.: avenida | Av.: avenida | tel.: telefone | máx.: máximo | mín.: mínimo | a.C.:
        antes de Cristo | d.C.: depois de Cristo | V. Exa.: Vossa Excelência"""
    ),
)
_NL = Phrases(
    addresses=("punt", "apenstaartje", "streepje", "laag streepje"),
    symbols=_table(
        """^: tot de macht | :: tegen
        | &: en | +: plus | =: is | <: kleiner dan | >: groter dan | ×: keer | ÷: gedeeld door | ≤: hoogstens | ≥:
        minstens | ≈: ongeveer | ±: ongeveer | →: naar | @: apenstaartje | #: nummer | x: bij | √: wortel van"""
    ),
    until="tot",
    code="Code weggelaten.",
    clock="{h} uur {m}",
    full_hour="{h} uur",
    clock_word=r"[ \u00a0]?uur\b",
    ordinal=r"(?:ste|de|e)\b",
    abbreviations=_table(
        """bijv.: bijvoorbeeld | bv.: bijvoorbeeld | d.w.z.: dat wil zeggen | enz.: enzovoort | etc.: et cetera | o.a.:
        onder andere | m.b.t.: met betrekking tot | t/m: tot en met | i.p.v.: in plaats van | a.u.b.: alstublieft |
        ca.: circa | dhr.: de heer | mevr.: mevrouw | mw.: mevrouw | dr.: dokter | prof.: professor | nr.: nummer |
        tel.: telefoon | max.: maximaal | min.: minimaal | incl.: inclusief | excl.: exclusief | blz.: bladzijde |
        v.Chr.: voor Christus | n.Chr.: na Christus"""
    ),
)
_PL = Phrases(
    addresses=("kropka", "małpa", "myślnik", "podkreślnik"),
    symbols=_table(
        """^: do potęgi | :: do
        | &: i | +: plus | =: równa się | <: mniejsze niż | >: większe niż | ×: razy | ÷: podzielić przez | ≤:
        najwyżej | ≥: co najmniej | ≈: około | ±: plus minus | →: do | @: małpa | #: numer | x: na | √: pierwiastek
        z | §: paragraf"""
    ),
    until="-",
    code="Kod pominięto.",
    clock="{h} {m}",
    full_hour="{h}",
    ordinal=r"\.(?=[ ]+[a-ząćęłńóśźżçğıöşü]{3})",
    feminine=("a",),
    hundredths={"PLN": ("grosz", "groszy"), "GBP": ("pens", "pensów")},
    abbreviations=_table(
        """np.: na przykład | itd.: i tak dalej | itp.: i tym podobne | tzn.: to znaczy | tj.: to jest | m.in.: między
        innymi | ok.: około | dr: doktor | prof.: profesor | mgr: magister | inż.: inżynier | ul.: ulica | al.:
        aleja | nr: numer | godz.: godzina | tel.: telefon | maks.: maksymalnie | min.: minut | str.: strona | św.:
        święty | tys.: tysięcy | zł: złotych | p.n.e.: przed naszą erą | n.e.: naszej ery | wg: według"""
    ),
)
_RU = Phrases(
    addresses=("точка", "собака", "дефис", "подчёркивание"),
    symbols=_table(
        """^: в степени | :: -
        | &: и | +: плюс | =: равно | <: меньше | >: больше | ×: на | ÷: разделить на | ≤: не больше | ≥: не меньше |
        ≈: примерно | ±: плюс-минус | →: в | @: собака | #: номер | x: на | х: на | №: номер | §: параграф | √:
        корень из"""
    ),
    until="-",
    code="Код пропущен.",
    ordinal=r"-(?:й|я|е|го|ого|му|ом|м|ой|ую|ый|ий|ая|ое)\b",
    feminine=(
        "а",
        "я",
    ),
    hundredths={"RUB": ("копейка", "копеек"), "GBP": ("пенс", "пенсов")},
    abbreviations=_table(
        """т. е.: то есть | т.е.: то есть | т. д.: так далее | т.д.: так далее | т. п.: тому подобное | т.п.: тому
        подобное | и др.: и другие | и пр.: и прочее | напр.: например | см.: смотри | г-н: господин | г-жа: госпожа
        | ул.: улица | пр.: проспект | д.: дом | кв.: квартира | тел.: телефон | стр.: страница | руб.: рублей |
        коп.: копеек | тыс.: тысяч | млн: миллионов | млрд: миллиардов | макс.: максимум | мин.: минут | ч.: часов |
        сек.: секунд | до н. э.: до нашей эры | н. э.: нашей эры"""
    ),
)
_TR = Phrases(
    addresses=("nokta", "et", "tire", "alt çizgi"),
    symbols=_table(
        """^: üzeri | :: -
        | &: ve | +: artı | =: eşittir | <: küçüktür | >: büyüktür | ×: çarpı | ÷: bölü | ≤: en fazla | ≥: en az | ≈:
        yaklaşık | ±: artı eksi | @: et | #: numara | x: çarpı | √: karekök"""
    ),
    currencies={"TRY": ("lira", "lira"), "USD": ("dolar", "dolar"), "GBP": ("sterlin", "sterlin")},
    until="-",
    code="Kod atlandı.",
    clock="{h} {m}",
    full_hour="{h}",
    per="{1} başına {0}",
    ordinal=r"\.(?=[ ]+[a-ząćęłńóśźżçğıöşü]{3})",
    hundredths={"TRY": ("kuruş", "kuruş"), "USD": ("sent", "sent"), "EUR": ("sent", "sent"), "GBP": ("peni", "peni")},
    abbreviations=_table(
        """vb.: ve benzeri | vs.: vesaire | örn.: örneğin | yak.: yaklaşık | Dr.: doktor | Prof.: profesör | Doç.:
        doçent | Sn.: sayın | No.: numara | Cad.: caddesi | Sok.: sokak | Mah.: mahallesi | tel.: telefon | M.Ö.:
        milattan önce | M.S.: milattan sonra | bkz.: bakınız"""
    ),
)
_JA = Phrases(
    addresses=("ドット", "アットマーク", "ハイフン", "アンダーバー"),
    symbols=_table(
        """^: の | :: 対
        | &: アンド | +: プラス | =: イコール | <: 小なり | >: 大なり | ×: かける | ÷: わる |
        ≤: 以下 | ≥: 以上 | ≈: 約 | ±: プラスマイナス | →: から |
        @: アットマーク | #: ナンバー | x: かける | √: ルート | №: ナンバー"""
    ),
    currencies={"JPY": ("円", "円"), "USD": ("ドル", "ドル"), "GBP": ("ポンド", "ポンド")},
    until="から",
    code="コードは省略します。",
    clock="{h}時{m}分",
    full_hour="{h}時",
    per="{1}あたり{0}",
    decimal_point="点",
    minus="マイナス",
    hundredths={"USD": ("セント", "セント"), "EUR": ("セント", "セント"), "GBP": ("ペンス", "ペンス")},
)
_ZH = Phrases(
    addresses=("点", "艾特", "杠", "下划线"),
    symbols=_table(
        """^: 的 | :: 比
        | &: 和 | +: 加 | =: 等于 | <: 小于 | >: 大于 | ×: 乘以 | ÷: 除以 | ≤: 小于等于 |
        ≥: 大于等于 | ≈: 约等于 | ±: 正负 | →: 到 | @: 艾特 | #:
        号 | x: 乘 | √: 根号 | №: 第"""
    ),
    currencies={"CNY": ("元", "元")},
    until="到",
    code="代码已省略。",
    clock="{h}点{m}分",
    full_hour="{h}点",
    per="每{1}{0}",
    decimal_point="点",
    minus="负",
    percent="百分之{0}",
    hundredths={"USD": ("美分", "美分"), "EUR": ("欧分", "欧分"), "GBP": ("便士", "便士"), "CNY": ("分", "分")},
)
_KO = Phrases(
    addresses=("점", "골뱅이", "하이픈", "밑줄"),
    symbols=_table(
        """^: 의 | :: 대
        | &: 앤드 | +: 더하기 | =: 는 | <: 작다 | >: 크다 | ×: 곱하기 | ÷: 나누기 | ≤: 이하 |
        ≥: 이상 | ≈: 약 | ±: 플러스마이너스 | →: 에서 | @: 골뱅이
        | #: 번호 | x: 곱하기 | √: 루트"""
    ),
    currencies={"KRW": ("원", "원"), "USD": ("달러", "달러"), "GBP": ("파운드", "파운드")},
    until="에서",
    code="코드는 생략합니다.",
    clock="{h}시 {m}분",
    full_hour="{h}시",
    decimal_point="점",
    percent="{0} 퍼센트",
    hundredths={"USD": ("센트", "센트"), "EUR": ("센트", "센트"), "GBP": ("펜스", "펜스")},
)

PHRASES: Mapping[str, Phrases] = {
    "de": _DE,
    "fr": _FR,
    "es": _ES,
    "it": _IT,
    "pt": _PT,
    "nl": _NL,
    "pl": _PL,
    "ru": _RU,
    "tr": _TR,
    "ja": _JA,
    "zh": _ZH,
    "ko": _KO,
}
NO_PHRASES = Phrases()
