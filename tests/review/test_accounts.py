"""Who gets in, for how long, and what is kept of their secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cvai.errors import AccessDenied, RequestInvalid
from cvai.review.database import Database
from cvai.review.sign_in.accounts import Accounts, Role, SessionLimits

LIMITS = SessionLimits(idle_s=60, longest_s=600)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    made = Database(tmp_path / "review.sqlite")
    yield made
    made.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(database: Database, clock: Clock) -> Accounts:
    return Accounts(database, LIMITS, clock)


def test_a_token_opens_the_door_it_was_made_for_and_no_other(accounts: Accounts) -> None:
    hart, lung = (accounts.add(n, Role.REVIEWER, f"{n}^A") for n in ("hart", "lung"))
    assert accounts.reader_of(hart).name == "hart"
    assert accounts.reader_of(f" {lung}\n").name == "lung"
    with pytest.raises(AccessDenied) as refused:
        accounts.reader_of(hart[:-1])
    assert refused.value.code == "sign_in_refused"


def test_neither_tokens_nor_session_keys_lie_on_disk(accounts: Accounts, tmp_path: Path) -> None:
    token = accounts.add("hart", Role.REVIEWER, "Hart^Ada")
    key = accounts.begin(accounts.reader_of(token))
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert token.encode() not in kept
    assert key.encode() not in kept


@pytest.mark.parametrize(
    ("steps_s", "lasts"),
    [([59, 59, 59], True), ([61], False), ([50] * 11, True), ([50] * 13, False)],
    ids=["used", "idle", "ten minutes in all", "longer than any session"],
)
def test_a_session_lasts_while_it_is_used_and_never_longer_than_allowed(
    accounts: Accounts, clock: Clock, steps_s: list[float], lasts: bool
) -> None:
    key = accounts.begin(accounts.reader_of(accounts.add("hart", Role.REVIEWER, "Hart^Ada")))
    for step_s in steps_s:
        clock.now_s += step_s
        session = accounts.session(key)
    assert (session is not None) == lasts


def test_what_an_open_page_asks_by_itself_does_not_keep_a_session_alive(
    accounts: Accounts, clock: Clock
) -> None:
    key = accounts.begin(accounts.reader_of(accounts.add("hart", Role.REVIEWER, "Hart^Ada")))
    for _ in range(5):
        clock.now_s += 11
        assert accounts.session(key, in_use=False) is not None
    clock.now_s += 11
    assert accounts.session(key, in_use=False) is None
    assert accounts.session(key) is None


def test_who_is_removed_is_out_at_once(accounts: Accounts) -> None:
    token = accounts.add("hart", Role.REVIEWER, "Hart^Ada")
    key = accounts.begin(accounts.reader_of(token))
    accounts.remove("hart")
    assert accounts.session(key) is None
    with pytest.raises(AccessDenied):
        accounts.reader_of(token)
    with pytest.raises(RequestInvalid) as refused:
        accounts.remove("hart")
    assert refused.value.code == "reader_unknown"


def test_a_name_is_given_once(accounts: Accounts) -> None:
    accounts.add("hart", Role.REVIEWER, "Hart^Ada")
    with pytest.raises(RequestInvalid) as refused:
        accounts.add("hart", Role.ADMIN, "Other^One")
    assert refused.value.code == "reader_exists"


def test_readers_are_named_as_people_and_apart_where_two_have_one_name(accounts: Accounts) -> None:
    for name, person in (("hart", "Hart^Ada"), ("lung", "Lung^Ben^C"), ("lung2", "Lung^Ben^C")):
        accounts.add(name, Role.REVIEWER, person)
    named = {"hart": "Ada Hart", "lung": "Ben C Lung (lung)", "lung2": "Ben C Lung (lung2)"}
    assert accounts.names() == named


def test_a_session_that_was_ended_is_no_session(accounts: Accounts) -> None:
    key = accounts.begin(accounts.reader_of(accounts.add("hart", Role.VIEWER, "Hart^Ada")))
    assert accounts.session(key) is not None
    accounts.end(key)
    assert accounts.session(key) is None


@pytest.mark.parametrize("role", list(Role))
def test_every_role_includes_those_before_it_and_no_other(role: Role) -> None:
    roles = list(Role)
    included = [other for other in roles if role.includes(other)]
    assert included == roles[: roles.index(role) + 1]


def test_who_is_signed_in_reads_on_while_nothing_can_be_written(
    accounts: Accounts, database: Database, clock: Clock
) -> None:
    token = accounts.add("hart", Role.REVIEWER, "Hart^Ada")
    key = accounts.begin(accounts.reader_of(token))
    with database.transaction() as rows:
        rows.execute("PRAGMA query_only = ON")
    clock.now_s += LIMITS.idle_s / 2
    assert accounts.session(key) is not None
    clock.now_s += LIMITS.idle_s / 2
    assert accounts.session(key) is None, "it could not be kept alive"
