"""Which model is asked, and what is said about it."""

from collections.abc import Sequence

import pytest

from streamsrv.engines.llm.base import ChatAbilities, ChatOptions, Image, Message, Route, Routing, Tool
from streamsrv.engines.llm.routing.candidate import Candidate, Standing
from streamsrv.engines.llm.routing.latency import MAX_AGE_S, MAX_SAMPLES, FirstTokens
from streamsrv.engines.llm.routing.policy import POLICY_NAMES, PolicyName, Rule
from streamsrv.engines.llm.routing.router import NO_LOCAL_MODEL, PINNED, TABLE, Router, pinned
from streamsrv.errors import Rejected

ABLE = ChatAbilities(calls_tools=True)
QUICK = Candidate("quick", ABLE, 50, 0.4, 1.6)
CHEAP = Candidate("cheap", ChatAbilities(), 55, 0.1, 0.4)
STRONG = Candidate("strong", ChatAbilities(calls_tools=True, sees_images=True, efforts=("low", "high")), 90, 3.0, 15.0)
LOCAL = Candidate("local", ChatAbilities(is_local=True, languages=("en",), context_tokens=2048), 35)
TINY = Candidate("tiny", ChatAbilities(is_local=True, languages=("en",)), 5)
STANDINGS = {"quick": Standing(0.2), "cheap": Standing(0.8), "strong": Standing(1.5), "local": Standing(0.6)}

HELLO, FACT, WHY, CODE = (
    "hello",
    "What is the capital of Peru?",
    "why is the sky blue",
    "write a Python function that sorts",
)
WEATHER = [Tool("weather")]


def chosen(
    text: str,
    candidates: Sequence[Candidate] = (QUICK, CHEAP, STRONG, LOCAL),
    *,
    policy: PolicyName = "balanced",
    rules: Sequence[Rule] = (),
    tools: Sequence[Tool] = (),
    standings: dict[str, Standing] | None = None,
    images: tuple[Image, ...] = (),
    **options: object,
) -> Route:
    known = STANDINGS if standings is None else standings
    router = Router(candidates, lambda name: known.get(name, Standing()), policy=policy, rules=rules, stand_ins=[TINY])
    return router.choose([Message("user", text, images=images)], tools, ChatOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("policy", "answers"),
    [
        ("balanced", {HELLO: "quick", FACT: "local", WHY: "cheap", CODE: "strong"}),
        ("cheapest", {HELLO: "local", FACT: "local", WHY: "cheap", CODE: "strong"}),
        ("fastest", {HELLO: "quick", FACT: "quick", WHY: "quick", CODE: "strong"}),
        ("best", {HELLO: "strong", FACT: "strong", WHY: "strong", CODE: "strong"}),
        ("local", {HELLO: "local", FACT: "local", WHY: "local", CODE: "local"}),
    ],
)
def test_each_policy_chooses_by_the_complexity(policy: PolicyName, answers: dict[str, str]):
    assert {text: chosen(text, policy=policy).models[0] for text in answers} == answers


@pytest.mark.parametrize("policy", POLICY_NAMES)
def test_a_request_may_name_its_policy(policy: PolicyName):
    asked = chosen(WHY, routing=Routing(policy=policy))
    assert (asked.policy, asked.models) == (policy, chosen(WHY, policy=policy).models)


def test_all_models_follow_in_case_the_first_one_fails_and_the_stand_in_is_the_last():
    route = chosen(WHY)
    assert route.models[0] == "cheap"
    assert sorted(route.models[:-1]) == ["cheap", "local", "quick", "strong"]
    assert route.models[-1] == "tiny"


def test_the_reason_says_what_was_compared():
    assert chosen(WHY).reason == (
        "The request is moderate: it asks for an explanation. cheap is the cheapest of 3 models that are strong enough."
    )
    assert "quick is the fastest of 4 models (first token within 0.2 s)." in chosen(HELLO).reason
    assert (
        "strong is the only model that sees images." in chosen(FACT, images=(Image("https://a.example/b.png"),)).reason
    )


def test_a_model_that_cannot_do_what_is_needed_is_not_asked():
    assert set(chosen(WHY, tools=WEATHER).models) == {"quick", "strong", "tiny"}
    assert set(chosen(WHY, tools=WEATHER, tool_choice="none").models) >= {"cheap", "local"}
    assert chosen(WHY, images=(Image("https://a.example/b.png"),)).models == ("strong", "tiny")
    assert chosen(WHY, reasoning_effort="high").models == ("strong", "tiny")
    assert "local" not in chosen("and so on " * 1000).models


def test_where_no_model_can_do_it_all_are_asked_because_their_error_says_why():
    assert chosen(WHY, [CHEAP, LOCAL], tools=WEATHER).models == ("cheap", "local", "tiny")


@pytest.mark.parametrize("options", [{"routing": Routing(local_only=True)}, {"routing": Routing("local")}])
def test_words_that_must_not_leave_this_machine_go_to_local_models_only(options: dict[str, Routing]):
    route = chosen(CODE, **options)
    assert route.models == ("local", "tiny")
    assert "must not leave this machine" in route.reason
    assert chosen(CODE, [STRONG], **options).models == ("tiny",)


def test_local_only_holds_under_every_policy_and_row():
    rules = [Rule(models=("strong",))]
    for policy in POLICY_NAMES:
        assert chosen(CODE, rules=rules, routing=Routing(policy, local_only=True)).models == ("local", "tiny")
    assert chosen(CODE, rules=rules, routing=Routing(local_only=True)).models == ("local", "tiny")


def test_without_a_local_model_such_a_request_is_an_error():
    router = Router([STRONG], lambda _: Standing())
    with pytest.raises(Rejected, match="Only a model on this machine") as raised:
        router.choose([Message("user", HELLO)], (), ChatOptions(routing=Routing(local_only=True)))
    assert raised.value.code == NO_LOCAL_MODEL


def test_a_model_that_keeps_failing_comes_last_before_the_stand_in():
    failing = STANDINGS | {"cheap": Standing(is_left_out=True)}
    route = chosen(WHY, standings=failing)
    assert route.models[0] == "quick"
    assert route.models[-2:] == ("cheap", "tiny")
    assert "cheap kept failing lately." in route.reason


def test_when_all_keep_failing_they_are_asked_all_the_same():
    route = chosen(WHY, standings={name: Standing(is_left_out=True) for name in STANDINGS})
    assert (len(route.models), route.models[0]) == (5, "cheap")


def test_the_speed_is_the_measured_one():
    slow = STANDINGS | {"quick": Standing(3.0)}
    assert chosen(HELLO, standings=slow).models[0] == "local"
    assert chosen(HELLO, standings={}).models[0] == "local"  # all are assumed to be as fast: the price decides
    almost = {"quick": Standing(0.52), "cheap": Standing(0.48), "strong": Standing(1), "local": Standing(1)}
    assert chosen(HELLO, standings=almost).models[0] == "cheap"


def test_a_model_that_does_not_know_the_language_comes_after_those_that_do():
    assert chosen("hola, ¿qué tal?", policy="cheapest").models[0] == "cheap"
    assert chosen(HELLO, policy="cheapest", routing=Routing(language="de")).models[0] == "cheap"
    assert "knows the language 'de'" in chosen(WHY, [STRONG, LOCAL], routing=Routing(language="de")).reason
    assert chosen(HELLO, [LOCAL], routing=Routing(language="de")).models[0] == "local"


def test_an_unknown_price_is_the_highest():
    unknown = Candidate("unknown", ABLE, 60)
    assert chosen(WHY, [unknown, STRONG], policy="cheapest").models[0] == "strong"


def test_a_model_on_this_machine_is_free_unless_its_price_is_stated():
    metered = Candidate("metered", ChatAbilities(is_local=True), 60, 50.0, 100.0)
    assert chosen(WHY, [metered, QUICK], policy="cheapest").models[0] == "quick"
    assert LOCAL.cost_usd(1000, "hard") == 0


def test_too_weak_models_are_asked_for_want_of_better_ones():
    route = chosen(CODE, [LOCAL, CHEAP], policy="cheapest")
    assert route.models[:2] == ("cheap", "local")
    assert "No model is strong enough; cheap is the strongest." in route.reason


SAVING = Routing("cheapest", is_saving=True)


def test_near_a_limit_of_cost_the_cheapest_model_answers_hard_questions_too():
    remote = [QUICK, CHEAP, STRONG]
    route = chosen(CODE, remote, policy="best", rules=[Rule(models=("strong",))], routing=SAVING)
    assert (route.models, route.policy) == (("cheap", "quick", "strong", "tiny"), "cheapest")
    assert "cheap is the cheapest of 3 models." in route.reason
    assert chosen(CODE, policy="best", routing=SAVING).models[0] == "local"
    assert chosen(CODE, remote, tools=WEATHER, routing=SAVING).models[0] == "quick"


def test_near_a_limit_of_cost_words_stay_on_this_machine_that_must():
    failing = STANDINGS | {"local": Standing(is_left_out=True)}
    assert chosen(CODE, policy="local", standings=failing, routing=SAVING).models == ("local", "tiny")
    rules = [Rule(tasks=("code",), policy="local")]
    assert chosen(CODE, rules=rules, standings=failing, routing=SAVING).models == ("local", "tiny")


@pytest.mark.parametrize(
    ("rule", "text", "model"),
    [
        (Rule(complexity=("hard",), models=("cheap",)), CODE, "cheap"),
        (Rule(complexity=("hard",), models=("cheap",)), WHY, "cheap"),
        (Rule(tasks=("code",), models=("quick", "strong")), CODE, "quick"),
        (Rule(languages=("de",), policy="best"), "warum ist der Himmel blau", "strong"),
        (Rule(languages=("de",), policy="best"), WHY, "cheap"),
        (Rule(complexity=("small_talk", "simple"), policy="local"), FACT, "local"),
    ],
)
def test_a_row_of_the_operators_table_decides_before_the_policy(rule: Rule, text: str, model: str):
    assert chosen(text, rules=[rule]).models[0] == model


def test_the_first_row_that_covers_a_request_decides_and_is_named():
    rules = [Rule(tasks=("code",), models=("quick",)), Rule(complexity=("hard",), models=("cheap",))]
    route = chosen(CODE, rules=rules)
    assert (route.models[0], route.policy) == ("quick", TABLE)
    assert "Row 1 of the operator's table covers it. The row names quick." in route.reason
    other = chosen("Prove that there are infinitely many primes.", rules=rules)
    assert (other.models[0], other.policy) == ("cheap", TABLE)
    assert chosen(WHY, rules=rules).policy == "balanced"
    assert chosen(CODE, rules=rules, routing=Routing("best")).models[0] == "strong"


def test_a_row_does_not_hold_on_to_a_model_that_keeps_failing():
    rules = [Rule(models=("quick",))]
    failing = STANDINGS | {"quick": Standing(is_left_out=True)}
    route = chosen(WHY, rules=rules, standings=failing)
    assert route.models[0] == "cheap"
    assert "quick kept failing lately." in route.reason


def test_a_model_that_the_client_names_is_asked_first_whatever_the_policy():
    route = pinned(QUICK, [TINY])([Message("user", CODE)], (), ChatOptions())
    assert route == Route(("quick", "tiny"), "The client named this model.", PINNED, "hard")
    with pytest.raises(Rejected, match="quick runs elsewhere"):
        pinned(QUICK, [TINY])([Message("user", CODE)], (), ChatOptions(routing=Routing(local_only=True)))


def test_the_95th_percentile_is_of_the_newest_measurements():
    times = FirstTokens()
    assert times.p95_s("m", 0) is None
    for second in range(2):
        times.record("m", 1.0, second)
    assert times.p95_s("m", 2) is None  # too few
    for number in range(100):
        times.record("m", number / 100, 3)
    lately = sorted(number / 100 for number in range(100 - MAX_SAMPLES, 100))
    assert times.p95_s("m", 3) == lately[60]
    assert times.p95_s("other", 3) is None
    assert times.p95_s("m", 3 + MAX_AGE_S + 1) is None
