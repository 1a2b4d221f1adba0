"""Chooses the models that may answer a request, and says why. Pure, but for what `standing` looks up."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from streamsrv.engines.llm.base import ChatOptions, Message, Route, Tool
from streamsrv.engines.llm.routing.candidate import Candidate, Standing
from streamsrv.engines.llm.routing.policy import MIN_STRENGTH, POLICIES, SAVING, Criterion, Policy, PolicyName, Rule
from streamsrv.engines.llm.routing.request import RoutedRequest, request_of
from streamsrv.errors import Rejected

NO_LOCAL_MODEL = "no_local_model"
"""Code of the error when only a model on this machine may answer, and there is none."""
TABLE = "table"
"""Name of the policy in a route that a row of the operator's table decided."""
PINNED = "pinned"
"""Name of the policy in a route whose model the client named."""
_MOST: Mapping[Criterion, str] = {"price": "cheapest", "speed": "fastest", "strength": "strongest"}


class Router:
    """Chooses among `candidates`, in the operator's order.

    `ruled`: other models that rules name; they answer only what a rule gives them. `stand_ins` come after all others.

    `policy`: for requests that name none; before it, the first of `rules` that covers a request decides. `standing`
    returns how a model does now, by its name. Models come first that have not kept failing, then those that a rule
    names, know the language and are strong enough, in this order; the policy decides among equals. While a request must
    save, neither rules nor strength count, but what must not leave this machine stays on it.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        standing: Callable[[str], Standing],
        *,
        policy: PolicyName = "balanced",
        rules: Sequence[Rule] = (),
        ruled: Sequence[Candidate] = (),
        stand_ins: Sequence[Candidate] = (),
    ) -> None:
        self._candidates = tuple(candidates)
        self._ruled = tuple(ruled)
        self._stand_ins = tuple(each for each in stand_ins if each not in candidates)
        self._standing = standing
        self._policy = POLICIES[policy]
        self._rules = tuple(rules)

    def choose(self, messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> Route:
        """Return the models that may answer, the preferred one first.

        A model that lacks what is needed is asked only if all do: its own error says what is wrong. Raises `Rejected`
        if only a model on this machine may answer and there is none.
        """
        request = request_of(messages, tools, options)
        is_saving = options.routing.is_saving
        number, rule = self._covering(request) if is_saving or not options.routing.policy else (0, None)
        own = (rule.policy if rule is not None else None) or ("" if is_saving else options.routing.policy)
        policy = POLICIES.get(own, self._policy)
        request = replace(request, is_local_only=request.is_local_only or policy.is_local)
        if is_saving:
            policy, number, rule = SAVING, 0, None
        named = [each for each in self._ruled if rule is not None and each.name in rule.models]
        allowed = [each for each in (*self._candidates, *named) if request.allows(each)]
        able = [each for each in allowed if request.fits(each)] or allowed
        now = {each.name: self._standing(each.name) for each in able}
        ranked = sorted(able, key=lambda each: _rank(each, now[each.name], request, policy, rule))
        behind = [each for each in self._stand_ins if request.allows(each)]
        if not (ranked or behind):
            raise no_local_model()
        reason = " ".join(_reasons(ranked or behind[:1], now, request, policy, (number, rule)))
        ranked += behind
        name = TABLE if rule is not None else policy.name
        return Route(tuple(each.name for each in ranked), reason, name, request.assessment.complexity)

    def _covering(self, request: RoutedRequest) -> tuple[int, Rule | None]:
        """Return the first rule that covers a request, and its number."""
        covering = (pair for pair in enumerate(self._rules, 1) if pair[1].covers(request.assessment, request.language))
        return next(covering, (0, None))


def _rank(
    each: Candidate, standing: Standing, request: RoutedRequest, policy: Policy, rule: Rule | None
) -> tuple[float, ...]:
    """Return what candidates are sorted by: the first of them answers."""
    named = rule.models if rule is not None else ()
    values: Mapping[Criterion, float] = {
        "price": request.price_of(each),
        "speed": standing.speed,
        "strength": -each.strength,
    }
    return (
        standing.is_left_out,
        named.index(each.name) if each.name in named else len(named),
        not request.is_in_language_of(each),
        _missing_strength(each, request, policy),
        *(values[criterion] for criterion in policy.criteria[request.assessment.complexity]),
    )


def _reasons(
    ranked: Sequence[Candidate],
    now: Mapping[str, Standing],
    request: RoutedRequest,
    policy: Policy,
    row: tuple[int, Rule | None],
) -> list[str]:
    """Say in sentences why the first of the ranked models is asked."""
    chosen, (number, rule) = ranked[0], row
    level = request.assessment.complexity.replace("_", " ")
    reasons = [f"The request is {level}: {', '.join(request.assessment.reasons)}."]
    if request.is_local_only:
        reasons.append("Its words must not leave this machine.")
    if rule is not None:
        reasons.append(f"Row {number} of the operator's table covers it.")
    if rule is not None and chosen.name in rule.models:
        reasons.append(f"The row names {chosen.name}.")
    else:
        reasons.append(_comparison(ranked, now, request, policy))
    if left_out := [name for name, standing in now.items() if standing.is_left_out]:
        reasons.append(f"{_listed(left_out)} kept failing lately.")
    return reasons


def _comparison(
    ranked: Sequence[Candidate], now: Mapping[str, Standing], request: RoutedRequest, policy: Policy
) -> str:
    """Say what the first of the ranked models has that the others lack."""
    chosen = ranked[0]
    rivals = [each for each in ranked if each.name in now and not now[each.name].is_left_out]
    if chosen not in rivals:
        return f"Only {chosen.name} may answer." if chosen.name not in now else f"{chosen.name} is tried all the same."
    abilities = list(request.needs) if request.fits(chosen) else []
    equals = [each for each in rivals if request.is_in_language_of(each) == request.is_in_language_of(chosen)]
    if len(equals) < len(rivals):
        abilities.append(f"knows the language '{request.language}'")
    strong = [each for each in equals if not _missing_strength(each, request, policy)]
    if len(equals) == 1 or len(strong) == 1:
        abilities += ["is strong enough"] if len(strong) < len(equals) else []
        return f"{chosen.name} is the only model{_that(abilities) or ' that can answer now'}."
    if not strong:
        return f"No model is strong enough; {chosen.name} is the strongest{_that(abilities)}."
    if len(strong) < len(equals):
        abilities.append("is strong enough")
    criterion = policy.criteria[request.assessment.complexity][0]
    figure = _figure(now[chosen.name]) if criterion == "speed" else ""
    return f"{chosen.name} is the {_MOST[criterion]} of {len(strong)} models{_that(abilities, plural=True)}{figure}."


def _figure(standing: Standing) -> str:
    seconds = standing.first_token_s
    return " (not measured lately)" if seconds is None else f" (first token within {seconds:.1f} s)"


def pinned(candidate: Candidate, stand_ins: Sequence[Candidate]) -> Callable[..., Route]:
    """Return the choice of a model that a client has named, with those that answer if it fails.

    It raises `Rejected` if only a model on this machine may answer and there is none.
    """

    def choose(messages: Sequence[Message], tools: Sequence[Tool], options: ChatOptions) -> Route:
        request = request_of(messages, tools, options)
        if not request.allows(candidate):
            raise no_local_model(candidate.name)
        behind = [each.name for each in stand_ins if each.name != candidate.name and request.allows(each)]
        return Route((candidate.name, *behind), "The client named this model.", PINNED, request.assessment.complexity)

    return choose


def no_local_model(pinned_to: str = "") -> Rejected:
    """Return the error of a request that only a model on this machine may answer, where there is none."""
    why = f"{pinned_to} runs elsewhere" if pinned_to else "this server has none"
    return Rejected(f"Only a model on this machine may answer this request, and {why}.", code=NO_LOCAL_MODEL)


def _missing_strength(candidate: Candidate, request: RoutedRequest, policy: Policy) -> int:
    """Return how much a model lacks of the strength that is needed: none if the policy wants the strongest, or any."""
    level = request.assessment.complexity
    if policy.criteria[level][0] == "strength" or not policy.needs_strength:
        return 0
    return max(0, MIN_STRENGTH[level] - candidate.strength)


def _that(abilities: Sequence[str], *, plural: bool = False) -> str:
    if not abilities:
        return ""
    words = [_PLURAL.get(each.split(" ")[0], "") + each[len(each.split(" ")[0]) :] for each in abilities]
    return f" that {_listed(words if plural else abilities)}"


_PLURAL = {"calls": "call", "sees": "see", "can": "can", "knows": "know", "is": "are"}


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
