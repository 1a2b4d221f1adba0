"""The ledger in SQLite and in PostgreSQL: what is written, what a killed server loses, what happens without it."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

pytest.importorskip("sqlalchemy", reason="the extra `ledger` is not installed")

import ledger_writer
from ledger_writer import charge
from rest import ask, post_json
from serving import serving
from streamsrv.errors import Unavailable
from streamsrv.ledger.database import UsageFilter
from streamsrv.ledger.ledger import BATCH, Ledger
from streamsrv.ledger.opening import open_ledger
from streamsrv.settings import Settings
from streamsrv.testing.fakes import ScriptedChatModel, fake_engines
from test_costs import ANSWER_USD, HELLO, engines

ALL = UsageFilter()


def ledger_at(url: str) -> Ledger:
    ledger = open_ledger(url)
    assert ledger is not None
    return ledger


def sqlite_url(folder: Path) -> str:
    return f"sqlite:///{folder / 'data' / 'ledger.sqlite3'}"


def postgres_binaries() -> Path | None:
    found = shutil.which("pg_ctl") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), None)
    return Path(found).parent if found else None


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The URL of a PostgreSQL of the test's own, on a free port."""
    pytest.importorskip("asyncpg", reason="the extra `postgresql` is not installed")
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    folder = Path("/tmp") / f"streamsrv-postgresql-{os.getpid()}"  # the path of a socket has to be short
    folder.mkdir(mode=0o700)
    as_user: dict[str, object] = {}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        account = pwd.getpwnam("postgres")
        os.chown(folder, account.pw_uid, account.pw_gid)
        as_user = {"user": account.pw_uid, "group": account.pw_gid}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    def run(*command: str) -> None:
        subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **as_user)  # type: ignore[call-overload]

    data = str(folder / "data")
    try:
        run(str(binaries / "initdb"), "-D", data, "-U", "ada", "--auth=trust", "--no-sync")
        options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run(str(binaries / "pg_ctl"), "-D", data, "-w", "-o", options, "-l", str(folder / "log"), "start")
        try:
            yield f"postgresql://ada:secret@127.0.0.1:{port}/postgres"
        finally:
            run(str(binaries / "pg_ctl"), "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgresql")


async def nano_of(ledger: Ledger) -> int:
    (row,) = await ledger.usage(ALL, ()) or [{"cost_nanousd": 0}]
    return int(row["cost_nanousd"] or 0)


async def test_charges_are_written_once_and_added_up(url: str):
    ledger = ledger_at(url)
    before = await nano_of(ledger)
    for number in range(1, 3 * BATCH):
        ledger.add(charge(number))
    await ledger.flush()
    batch = [ledger_row(number) for number in (1, 2)]
    for _ in range(2):  # as after a connection that was lost while the answer was awaited
        await ledger.database.write(batch)
    rows = await ledger.usage(replace(ALL, key="key_ada"), ("key", "model"))
    assert [(row["key"], row["model"]) for row in rows] == [("key_ada", f"model-{n}") for n in range(3)]
    expected = sum(range(1, 3 * BATCH)) + 3
    assert await nano_of(ledger) - before == expected
    today = datetime.now(UTC).date()
    assert await ledger.usage(replace(ALL, start=today + timedelta(days=1)), ("day",)) == []
    assert [row["day"] for row in await ledger.usage(replace(ALL, start=today, end=today), ("day",))] == [today]
    assert (await ledger.database.spent(today))["key_ada"] * 10**9 == before + expected
    await ledger.aclose()


def ledger_row(number: int) -> dict:
    from streamsrv.ledger.ledger import _row  # pyright: ignore[reportPrivateUsage]

    return {**_row(charge(number)), "id": f"use_{number}_{os.getpid()}"}


async def test_servers_that_start_together_share_a_ledger(url: str):
    ledgers = [ledger_at(url) for _ in range(3)]
    before = await nano_of(ledgers[0])
    for ledger in ledgers:
        ledger.add(charge(5))
    await asyncio.gather(*(ledger.flush() for ledger in ledgers))
    assert await nano_of(ledgers[0]) - before == 15
    for ledger in ledgers:
        await ledger.aclose()


def killed_while_writing(url: str) -> int:
    """Kill a process while it adds charges; return how many it has added, or one less."""
    command = [sys.executable, str(ledger_writer.__file__), url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 7 * BATCH:
                process.send_signal(signal.SIGKILL)
                break
        return max([7 * BATCH, *(int(line) for line in process.stdout if line.endswith("\n"))])


async def test_a_killed_server_loses_one_batch_at_most(tmp_path: Path):
    url = sqlite_url(tmp_path)
    added = await asyncio.to_thread(killed_while_writing, url)
    ledger = ledger_at(url)
    (row,) = await ledger.usage(ALL, ())
    written = row["requests"]
    assert added - BATCH <= written <= added + 1
    assert row["cost_nanousd"] == sum(range(1, written + 1)), "the first charges, each of them once"
    await ledger.aclose()


async def test_a_database_that_is_gone_is_told_and_nothing_is_lost_when_it_is_back(tmp_path: Path):
    blocker = tmp_path / "data"
    blocker.write_text("a file where the folder should be")
    ledger = ledger_at(sqlite_url(tmp_path))
    ledger.add(charge(7))
    with pytest.raises(Unavailable, match="cannot be used"):
        await ledger.flush()
    assert ledger.waiting == 1
    assert ledger.problems
    blocker.unlink()
    ledger.add(charge(8))
    assert await nano_of(ledger) == 15
    assert (ledger.problems, ledger.waiting, ledger.lost) == ([], 0, 0)
    await ledger.aclose()


async def test_a_file_that_is_corrupt_or_removed_is_made_anew_once_it_is_gone(tmp_path: Path):
    file = tmp_path / "ledger.sqlite3"
    file.write_bytes(bytes(range(256)) * 32)
    ledger = ledger_at(f"sqlite:///{file}")
    restored: list[object] = []
    ledger.restore = lambda day, by_key: restored.append(by_key)
    ledger.add(charge(7))
    with pytest.raises(Unavailable, match="not a database"):
        await ledger.flush()
    os.unlink(file)  # noqa: PTH108
    assert await nano_of(ledger) == 7
    os.unlink(file)  # noqa: PTH108
    ledger.add(charge(8))
    assert await nano_of(ledger) == 8
    assert (ledger.problems, len(restored)) == ([], 1)
    await ledger.aclose()


async def test_sessions_go_on_without_the_database_and_readyz_tells(tmp_path: Path):
    (tmp_path / "data").write_text("a file where the folder should be")
    chat = ScriptedChatModel("Good morning.")
    with serving(engines(chat), kept_in=ledger_at(sqlite_url(tmp_path))) as server:
        answer = await post_json(server, "/chat/completions", {"model": "x", "messages": HELLO})
        assert answer.status == 200
        problems = (await ask(server, "GET", "/readyz", below="")).json["problems"]
        assert any("ledger" in problem for problem in problems)
        refused = await ask(server, "GET", "/usage")
        assert (refused.status, refused.error["code"]) == (503, "ledger_unavailable")


async def test_usage_by_key_model_and_day(url: str):
    chat = ScriptedChatModel(*["Good morning."] * 3)
    ada, bob = ({"Authorization": f"Bearer sk-{name}"} for name in ("usage-ada", "usage-bob"))
    with serving(engines(chat), api_keys="sk-usage-ada,sk-usage-bob", kept_in=ledger_at(url)) as server:
        for key in (ada, ada, bob):
            await post_json(server, "/chat/completions", {"model": "x", "messages": HELLO}, headers=key)
        by_key = (await ask(server, "GET", "/usage?group_by=key&model=scripted-model", headers=ada)).json
        everything = (await ask(server, "GET", "/usage?model=scripted-model", headers=ada)).json
        assert (await ask(server, "GET", "/usage")).status == 401
    assert by_key["total_usd"] == pytest.approx(3 * ANSWER_USD)
    assert sorted((row["requests"], row["cost_usd"]) for row in by_key["data"]) == [
        (1, ANSWER_USD), (2, 2 * ANSWER_USD)]  # fmt: skip
    row = next(row for row in everything["data"] if row["requests"] == 2)
    assert row["key"].startswith("key_")
    assert "usage-ada" not in str(everything)
    assert (row["model"], row["stage"], row["day"]) == ("scripted-model", "chat", str(datetime.now(UTC).date()))
    assert (row["input_tokens"], row["output_tokens"], row["unpriced_requests"]) == (20, 4, 0)


async def test_what_a_key_has_spent_today_counts_after_a_restart(tmp_path: Path):
    url = sqlite_url(tmp_path)
    for status in (200, 429):
        chat = ScriptedChatModel("Good morning.")
        with serving(engines(chat), kept_in=ledger_at(url), max_cost_per_key_per_day=str(ANSWER_USD)) as server:
            answer = await post_json(server, "/chat/completions", {"model": "x", "messages": HELLO})
            assert answer.status == status


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("start=yesterday", "start"),
        ("end=2026-13-01", "end"),
        ("start=2026-11-02&end=2026-11-01", "start"),
        ("group_by=colour", "group_by"),
        ("group_by=", "group_by"),
        ("limit=5", "limit"),
        ("start=20261101", "start"),
        ("key=a&key=b", "key"),
        ("model=a%00", "model"),
    ],
)
async def test_a_wrong_query_of_usage_names_the_parameter(tmp_path: Path, query: str, param: str):
    with serving(fake_engines(), kept_in=ledger_at(sqlite_url(tmp_path))) as server:
        refused = await ask(server, "GET", f"/usage?{query}")
    assert (refused.status, refused.error["param"]) == (400, param)


async def test_a_server_without_a_ledger_says_so():
    with serving(fake_engines()) as server:
        refused = await ask(server, "GET", "/usage")
    assert (refused.status, refused.error["code"]) == (503, "ledger_unavailable")
    assert open_ledger("none") is None


@pytest.mark.parametrize("wrong", ["mysql://host/db", "ledger.sqlite3", "sqlite:ledger"])
def test_a_wrong_ledger_is_refused(wrong: str):
    with pytest.raises(ValueError, match="ledger"):
        Settings(ledger=wrong)


def test_the_ledger_takes_a_home_folder_a_space_and_the_modes_of_libpq(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert ledger_at(Settings(ledger="sqlite:///~/my data/l.db").ledger).database.name == f"{tmp_path}/my data/l.db"
    pytest.importorskip("asyncpg", reason="the extra `postgresql` is not installed")
    url = Settings(ledger="postgresql://a:b@127.0.0.1:1/d?sslmode=require").ledger
    with pytest.raises(ConnectionRefusedError):  # the driver takes the parameter, and nobody listens there
        asyncio.run(ledger_at(url).database.open())


def test_a_missing_driver_names_the_command(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(Unavailable, match=r"pip install 'streamsrv\[postgresql\]'"):
        open_ledger("postgresql://host/db")
    monkeypatch.setitem(sys.modules, "aiosqlite", None)
    assert open_ledger("auto") is None
