"""The words by which `complexity` knows what is asked, in English, German, French and Spanish. Pure.

Texts are compared in lower case, with straight apostrophes and without most punctuation.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


def _any_of(*groups: str) -> re.Pattern[str]:
    """Return a pattern of any word of the groups, in which words are separated by `|`."""
    return re.compile(rf"(?<!\w)(?:{'|'.join(groups)})(?!\w)")


@dataclass(frozen=True, slots=True)
class Signal:
    """What a text asks for if it has one of these words, and how many points of complexity that is worth."""

    name: str
    """As part of a sentence: "it asks for ..."."""
    points: int
    words: re.Pattern[str]


SMALL_TALK = _any_of(
    r"hello|hi|hey|good (?:morning|afternoon|evening|night)|how are you|how's it going|what's up",
    r"happy (?:birthday|new year)",
    r"thanks?|thank you|cheers|welcome|bye|goodbye|see you|talk to you|have a (?:nice|good|great)|take care",
    r"nice to|good to",
    r"okay|ok|great|cool|perfect|amazing|wow|uh huh|i see|got it|sure|yes|yeah|no|nope|all ?right|never ?mind",
    r"forget it|sorry",
    r"hang on|hold on|one moment|can you hear me|are you (?:still )?there|anybody there|long time no see",
    r"i love you|that's all",
    r"tell me a joke|your name|who are you|how old are you|how was your|do you (?:like|ever|have|want|know me)",
    r"what are you up to",
    r"are you (?:a|an|real|human|okay|ok|busy|happy|alive|there)|say hi|congratulations|well done|i hope so|me too",
    r"of course",
    r"hallo|servus|moin|guten (?:tag|morgen|abend)|gute nacht|wie geht'?s?|vielen dank|danke|tschüss|alles klar",
    r"schönes wochenende",
    r"bis (?:morgen|bald|dann|später)|bist du|wie hei(?:ß|ss)t du|genau|ja|nein|super|prima|na gut|nett von dir",
    r"freut mich",
    r"bonjour|bonsoir|salut|coucou|ça va|merci|au revoir|à (?:demain|bientôt)",
    r"comment (?:tu t'appelles|vas-tu|allez-vous)",
    r"d'accord|parfait|oui|non|bonne (?:nuit|journée|soirée)|enchantée?|pas mal|tu es (?:là|un|une)",
    r"hola|buen[oa]s (?:días|tardes|noches)|qué (?:tal|bien|bueno)|cómo (?:estás|te llamas)|gracias",
    r"hasta (?:luego|mañana)",
    r"adiós|vale|perfecto|de nada|encantad[oa]|sí|eres (?:un|una|muy)",
)
"""Words of somebody who greets, thanks, agrees or chats."""
MAX_SMALL_TALK_WORDS = 10

QUESTION = _any_of(
    r"what|what's|who|who's|whose|when|when's|where|where's|which|how|how's|why|is|are|was|were|does|do|did|can",
    r"could|will",
    r"would|should|has|have|name|in which|on which|at what|was|wer|wann|wo|wohin|welche\w?|wie|warum|ist|sind|hat",
    r"kann|gibt",
    r"in welche\w|qui|que|quoi|quand|où|quel\w*|combien|comment|pourquoi|est-ce|qu'est-ce|à quoi|qué|quién|cuándo",
    r"dónde",
    r"cuál\w*|cuánt\w+|cómo|por qué|en qué|es|hay",
)
"""How a question begins."""
ABOUT_THE_OTHER = _any_of(
    r"(?:are|do|did|were|have|what are|how are|how do|where are|where do|how old are|what do) you(?! (?:say|"
    r"spell|pronounce|make|call|write|get))",
    r"(?:bist|hast|magst|kannst|was machst|wie alt bist|woher kommst) du",
    r"(?:tu es|tu as|tu aimes|es-tu|as-tu|aimes-tu)",
    r"(?:eres|tienes|te gusta|estás|de dónde eres)",
)
"""A question about the one who is asked."""
COMMAND = _any_of(
    r"tell|give|show|name|spell|define|list|find|make|write|explain|describe|compare|translate|read|repeat|say",
    r"turn|set|play",
    r"stop|pause|skip|start|call|send|add|remind|cancel|book|order|open|close|lock|unlock|dim|wake|check|look up",
    r"search|convert",
    r"calculate|compute|solve|prove|build|create|plan|design|draft|help|teach|recommend|suggest|summari[sz]e",
    r"rewrite|put|move",
    r"sag|nenn\w*|zeig|gib|schreib|erklär\w*|mach|stell|schalte?|spiel|weck|buch\w*|finde?|such\w*|erstelle?",
    r"plane?|vergleich\w*",
    r"dis|donne|montre|écris|explique\w*|mets|allume|éteins|baisse|joue|trouve|raconte\w*|traduis|compare|calcule",
    r"corrige",
    r"dime|dame|muestra|escribe|expl[ií]ca\w*|pon|enciende|apaga|busca|encuentra|cuéntame|traduce|compara|calcula",
    r"diseña|haz",
)
"""Verbs of somebody who wants something done or told."""

FILLERS = _any_of(r"u[hm]+|er|hmm?|well|so|please|äh|ähm|also|bitte|euh|alors|s'il te plaît|bueno|pues|por favor")
"""Words that say nothing."""

_EXPLANATION = _any_of(
    r"why|how come|explain\w*|describe\w*|tell me (?:more )?(?:about|what|how|why)",
    r"what (?:happens|would happen|makes|causes|led)",
    r"how (?!many|much|old|tall|far|long|often|big|high|deep|late|heavy|fast|wide|are you|was your|do you say|"
    r"do you spell|is the)\w+ (?!you doing)\w+",
    r"more detail|in detail|overview|meaning of|symptoms|causes?|the (?:history|role|purpose) of|simpler|in simple",
    r"going wrong|doing wrong",
    r"what an? [\w ]{1,40} is|what (?:do|does) (?:\w+ ){1,4}do|what could that be|what do i need",
    r"warum|wieso|weshalb|erklär\w*|beschreib\w*|wie (?!viel|alt|groß|hoch|weit|lange|oft|spät|heißt|geht es)\w+",
    r"was passiert|überblick",
    r"pourquoi|expliqu\w+|décri\w+|comment (?!tu|vas|allez|ça|dit)\w+|que se passe|à quoi ser\w+|raconte\w*",
    r"por qué|expl[ií]c\w+|describ\w+|cómo (?!estás|te llamas|se dice)\w+|qué pasa|para qué|cuéntame",
)
_COMPARISON = _any_of(
    r"compar\w+|differences?|differ|pros and cons|(?:dis)?advantages?|better (?:to|than)|versus|vs|arguments? for",
    r"which one|worth",
    r"decide between|instead of|rather than|best way|good way",
    r"unterschied\w*|vergleich\w*|vorteile?|nachteile?|besser|lohnt\w*|lieber",
    r"différences?|avantages?|inconvénients?|mieux|vaut-il|diferencias?|ventajas?|desventajas?|mejor que",
    r"vale la pena",
)
_ADVICE = _any_of(
    r"should (?:i|we)|recommend\w*|suggest\w*|advice|advise|tips|what (?:should|would|can|could) (?:i|we|you)",
    r"help me|ideas",
    r"i (?:can't|cannot|don't know|have|want to|need to|would like to|keep|feel) (?!hear)\w+.{0,60} (?:what|how|"
    r"which|why|is|can|could)",
    r"some good",
    r"when would i|soll(?:te|ten|en)? (?:ich|wir)|empfehl\w*|empfiehl\w*|tipps?|hilf mir|was kann ich",
    r"devrais-je|dois-je|recommand\w*|conseil\w*|aide-moi|debería|recomiend\w*|consejos?|ayúdame|qué puedo",
)
_WRITING = _any_of(
    r"(?:write|make up|compose|tell) (?:me )?an? [\w ]{0,40}(?:poem|story|letter|e?-?mail|song|speech|apology|text|"
    r"message|limerick|joke about)",
    r"summari[sz]e\w*|rewrite\w*|rephrase\w*|paraphrase\w*|translate (?:this|the following|that)|proofread",
    r"into an? \w+ (?:e?mail|letter)",
    r"schreib\w* [\w ]{0,40}(?:gedicht|geschichte|brief|mail|rede|text|nachricht)|fass\w* [\w ]{1,40}zusammen",
    r"übersetz\w* (?:diesen|den|folgenden)",
    r"écris [\w ]{0,40}(?:poème|histoire|lettre|texte|message)|résum\w+|traduis (?:cette|ce)",
    r"escrib\w+ [\w ]{0,40}(?:poema|cuento|historia|carta|texto|mensaje)|resum\w+|traduc\w+ (?:esta|este)",
)
_WORK = _any_of(
    r"prove|derive|disprove|show that|analy[sz]e\w*|analysis|evaluate|assess|optimi[sz]e|restructure|develop an?",
    r"work out",
    r"walk me through|step by step|think through|in depth|thorough\w*|detailed|every way|both sides|argue|critique",
    r"weigh|flaw",
    r"fallacy|contradict\w*|hypothes[ie]s|does it follow|evidence|trade-?offs?|ethical|philosoph\w+|legal|liab\w+",
    r"negotiat\w+",
    r"(?:make|put together|draft|design|create|write|prepare|plan|build) (?:me |us |up )?(?:an?|the|my|"
    r"our) [\w ]{0,40}(?:plan|trip|roster|schedule|syllabus|curriculum|report|essay|thesis|strategy|proposal|"
    r"contract|experiment|budget|roadmap|architecture|campaign|programme|program)",
    r"strateg(?:y|ies)|interpretations?|would change your mind|explanations of|how would you design|independently",
    r"convincing",
    r"beweis\w*|leite \w+ her|entw(?:irf|erfe)\w*|entwickle|analysier\w*|bewerte\w*|optimier\w*",
    r"schritt für schritt|strategie\w*",
    r"abwägen|ausführlich\w*|(?:plane?|erstelle?) (?:eine?n?|meine?n?|unsere?n?|mir)|\w+(?:plan|analyse|konzept)",
    r"prouve\w*|démontre\w*|planifie\w*|conçois|élabore\w*|analyse[rz]?|évalue\w*|optimise\w*|étape par étape",
    r"stratégie\w*",
    r"décisive?|scénarios?|chiffre\w*|demuestra\w*|planific\w+|diseña\w*|elabora\w*|analiz\w+|análisis|evalú\w+",
    r"optimiz\w+",
    r"paso a paso|estrategia\w*|experimento",
)
_MATHEMATICS = _any_of(
    r"probability|likely is it|odds|integral|derivative|equation|solve|squared|cubed|logarithm|matrix",
    r"compound interest|mortgage",
    r"standard deviation|prime numbers?|primes|infinitely many|irrational|whose (?:sum|product)",
    r"wahrscheinlich\w*|ableitung|gleichung|zinseszins|primzahl\w*|probabilité|équation|dérivée|intérêts composés",
    r"probabilidad|ecuación|derivada|interés compuesto",
)
_CONDITION = _any_of(
    r"no more than|at most|at least|given that|assuming|with a budget|budget of|without|as long as|must|unless",
    r"only|but not",
    r"within|exactly|nobody|no one|each|every|otherwise|all three|keeps?|twice|if the|until",
    r"höchstens|mindestens|ohne|niemand|jede\w?|nur|budget|au plus|au moins|sans|aucun|chaque|à condition",
    r"como máximo|al menos|sin|presupuesto|cada|nadie|ningun\w",
)
_SECOND_QUESTION = _any_of(
    r"and (?:how|why|what|whether|where|which|when|who|explain|that you|book|invite|then|also|add|weigh|say|text|tell)",
    r"and if",
    r"then tell|afterwards|und (?:wie|warum|was|ob|wo|welche\w*|wann|dann|bewerte\w*)",
    r"et (?:comment|pourquoi|que|quoi|quand|explique|ensuite|chiffre)|y (?:cómo|por qué|qué|cuándo|luego|después)",
)

SIGNALS: Sequence[Signal] = (
    Signal("an explanation", 2, _EXPLANATION),
    Signal("a comparison", 2, _COMPARISON),
    Signal("advice", 2, _ADVICE),
    Signal("a text", 2, _WRITING),
    Signal("work in several steps", 4, _WORK),
    Signal("mathematics", 4, _MATHEMATICS),
    Signal("several things", 1, _SECOND_QUESTION),
    Signal("something under conditions", 1, _CONDITION),
)
"""What a text may ask for. Of signals with 2 points only one counts: they are kinds of the same."""

CODE = _any_of(
    r"python|javascript|typescript|java|c\+\+|c#|golang|rust|php|ruby|kotlin|swift|sql|html|css|react|django",
    r"docker\w*|kubernetes",
    r"git|bash|linux|regex|regular expressions?",
    r"(?:recursive |my |this |an? )?functions? (?:in|that|which|returns?|into)|recursive",
    r"code|coding|codebase|compil\w+|debug\w*|refactor\w*|unit tests?|stack ?trace|endpoint\w*|loops?|null",
    r"undefined|variables?",
    r"exceptions?|segmentation fault|race condition|deadlock|recursion|algorithm\w*|time complexity|constant time",
    r"apis?|web ?scraper",
    r"data structures?|database|quer(?:y|ies)|rate limiter|token bucket|linked list|binary search|quicksort|json",
    r"yaml|bugs?|idempotent",
    r"programs? (?:crash\w*|that)|software|class with|two workers|script that|config(?:uration)? file",
    r"server (?:crash\w*|returns)",
    r"funktion in|programmier\w*|quelltext|abfrage|programm|konfiguration|skript|datenbank",
    r"fonction (?:en|qui)|programme|requête|base de données|consulta sql|función (?:en|que|de)|programa",
    r"base de datos",
)
CODE_WORK = _any_of(
    r"write|implement\w*|debug|fix|refactor|build|create|convert|make|crash\w*|exception|don't understand why",
    r"optimi[sz]e|give me",
    r"spot|mistake|error|never|worst case|constant time|where would you|how would you|how do i|design|terminates?",
    r"fails?",
    r"schreib\w*|implementier\w*|behebe|fehler|finde|écris|implémente\w*|corrige\w*|plante|erreur|escrib\w+",
    r"implement\w+|error",
)
"""What turns a question about code into work on it."""

PERCENTAGE = _any_of(
    r"percent\w*|per cent|average|square root|per hour|off|tip|each of us|per person|square metres|prozent\w*",
    r"durchschnitt\w*",
    r"pour cent|moyenne|por ciento|promedio|%",
)
OPERATION = _any_of(
    r"plus|minus|times|divided by|multiplied by|how much|half of|sum of|double|add up|what do (?:i|we) pay",
    r"how many|how long does it",
    r"when does it|how old are they|monthly rate|in total|what does each|mal|geteilt durch|wie ?viel\w*|hälfte von",
    r"wann holt|insgesamt",
    r"fois|divisé par|combien|moitié de|más|menos|por|dividido (?:por|entre)|cuánt\w+|mitad de|cuándo lo",
    r"average speed|percent of|[-+*/×÷=]",
)
"""Words of somebody who wants something computed, if there are numbers."""
NUMBER = _any_of(
    r"\d+(?:[.,]\d+)*(?:st|nd|rd|th)?",
    r"(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|"
    r"eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety|hundred|thousand|million|"
    r"and a half)(?:[ -](?:one|two|three|four|five|six|seven|eight|nine|hundred|thousand|million))*",
    r"twice|half|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|elf|zwölf|zwanzig|dreißig|vierzig|fünfzig|hundert",
    r"tausend",
    r"deux|trois|quatre|cinq|sept|huit|neuf|dix|douze|quinze|vingt|trente|quarante|cinquante|cent|mille",
    r"dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|doce|quince|veinte|veinti\w+|treinta|cuarenta|cincuenta",
    r"cien|mil",
)

ACTION = _any_of(
    r"(?:turn|switch) (?:on|off|up|down)|dim|set (?:a|an|the)|remind me|wake me|send (?:a|an|the|him|her|them)",
    r"add [\w ]{1,40} to|cancel",
    r"book (?:a|an|the|it|me)|order (?:a|an|the|me|some)|play|skip|(?:call|text|invite) (?!centre)\w+|check my",
    r"find a table|look up",
    r"reserve|move my|(?:open|close) the|lock the|unlock",
    r"is the [\w ]{1,40} (?:locked|unlocked|closed|switched on|switched off)|do i have any|my (?:calendar|meetings)",
    r"what's the weather|what time is it|what's the time|start the|stop the|pause|schedule a|drive to work",
    r"mach (?:das|die|den)|schalte?|stell\w*|erinnere? mich|weck|sende|ruf \w+ an|buch\w*|spiel\w*",
    r"wie ist das wetter|wie spät",
    r"mets|allume|éteins|baisse|rappelle-moi|envoie|appelle|réserve|quel temps fait-il|quelle heure est-il",
    r"enciende|apaga|pon|recuérdame|envía|llama|reserva|qué tiempo hace|qué hora es",
)
"""Words of somebody who wants something done, which takes a tool."""

FOLLOW_UP = _any_of(
    r"^(?:and|but|or|so|what about|how about|what if|why is that|why not|how come|really|say that again|go on|"
    r"and then)",
    r"^(?:can you|could you) (?:go into|say|explain|repeat|elaborate|put|tell me) (?:that|it|this|more|again|"
    r"further|a bit)",
    r"^(?:make it|the (?:first|second|last) one|which one|repeat)",
    r"^(?:und|aber|oder|was ist mit|wie wäre es|warum das|wirklich|et|mais|ou|qu'en est-il|vraiment|y|pero|o|"
    r"qué tal si|de verdad)",
)
"""How a text begins that means nothing without the one before it."""
MAX_FOLLOW_UP_WORDS = 10

FUNCTION_WORDS: Mapping[str, frozenset[str]] = {
    code: frozenset(words.split())
    for code, words in {
        "en": "the a an is are was of to and in that it you i for with on do does what how my me this have be not your",
        "de": "der die das ist sind und ich du nicht ein eine einen mit für auf wie was mir den dem von zu bitte kann",
        "fr": "le la les est sont et je tu un une des de du que qui pour dans avec pas ce il elle mon vous quelle quel",
        "es": "el la los las es son y yo un una de del que qué por para en con no mi lo se está cómo cuál",
        "it": "il lo la gli è sono e io tu un una di del che per in con non mi come cosa quale questo sei",
        "pt": "o a os as é são e eu um uma de do da que para em com não me como qual isso você está",
        "nl": "de het een is zijn en ik je niet van dat voor met op wat hoe mij dit kan mijn aan",
    }.items()
}
"""The commonest words of languages of the Latin script, by ISO 639-1 code."""
