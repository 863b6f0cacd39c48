"""A small world in a fresh database: one person for each role, and the owner creator's row in every table."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg
from psycopg.types.json import Jsonb

from core.money import divide
from revenue_split.policy import CLASSIC_V1

#: Rules whose pool is 45 % of gross, whatever the margin and the scores.
POLICY = {**replace(CLASSIC_V1, name="plain", margin_target_bp=0, quality_limit_bp=0).to_json()}
#: Who asks. The database knows three roles; the rest is who is signed in.
ACTORS = ("anon", "stranger", "owner", "other", "reviewer", "admin", "service_role")


@dataclass
class World:
    """users.id and auth.users.id by actor; `videos` by creator."""

    users: dict[str, int] = field(default_factory=dict)
    logins: dict[str, uuid.UUID] = field(default_factory=dict)
    videos: dict[str, int] = field(default_factory=dict)


def people(db: psycopg.Connection) -> World:
    """Signs everybody up; `owner` and `other` are creators with full KYC and one video each."""
    world = World()
    for name in ("stranger", "owner", "other", "reviewer", "admin"):
        login = uuid.uuid4()
        db.execute("insert into auth.users (id, email) values (%s, %s)", (login, f"{name}@example.org"))
        world.logins[name] = login
        world.users[name] = one(db, "select id from users where auth_id = %s", login)
    for name in ("owner", "other"):
        db.execute("update users set is_creator = true, kyc_level = 3 where id = %s", (world.users[name],))
        insert = "insert into videos (creator_id, title) values (%s, %s) returning id"
        world.videos[name] = one(db, insert, world.users[name], f"{name}'s video")
    for role in ("reviewer", "admin"):
        db.execute("insert into staff (user_id, role) values (%s, %s)", (world.users[role], role))
    return world


def furnished(db: psycopg.Connection) -> World:
    """`people`, and a row of the owner's in every table."""
    world = people(db)
    owner, video = world.users["owner"], world.videos["owner"]
    db.execute("insert into documents (user_id, kind, storage_path) values (%s, 'passport', 'owner/1')", (owner,))
    db.execute("select ensure_event_partitions('2026-01-01', '2026-01-01')")
    db.execute(
        "insert into event (video_id, user_id, event_type, ts) values (%s, %s, 'view', '2026-01-01 12:00+00')",
        (video, world.users["stranger"]),
    )
    day = ("2026-01-01 00:00+00", "2026-01-02 00:00+00", "classic_v1")
    db.execute(
        "insert into video_aggregates (video_id, window_start, window_end, model, eis, eng_units) "
        "values (%s, %s, %s, %s, 61.5, 1)",
        (video, *day),
    )
    db.execute("insert into scored_days values (%s, %s, %s, 1, 1)", day)
    db.execute(
        "insert into viewer_weights (window_start, window_end, model, user_id, weight) values (%s, %s, 'm', %s, 0.5)",
        (*day[:2], owner),
    )
    db.execute(
        "insert into video_explanations (video_id, window_start, window_end, model, discounted_units, groups, "
        "counted_units, counted_units_without) values (%s, %s, %s, 'm', 1, '[]', 1, 1)",
        (video, *day[:2]),
    )
    db.execute(
        "insert into viewer_clusters (window_start, window_end, model, cluster_id, accounts, counted_as, evidence) "
        "values (%s, %s, 'm', %s, 3, 1, '{}')",
        (*day[:2], owner),
    )
    db.execute(
        "insert into review_requests (video_id, creator_id, window_start, window_end, model, code, words) "
        "values (%s, %s, %s, %s, 'm', 'shared_device', 'a school of mine')",
        (video, owner, *day[:2]),
    )
    db.execute(
        "insert into window_reasons (window_start, window_end, model, code, unit_micro, weighted_micro, counted_micro) "
        "values (%s, %s, 'm', 'counted', 1000000, 1000000, 1000000)",
        day[:2],
    )
    db.execute(
        "insert into account_labels (user_id, verdict, reason_code, expires_at, decided_by) "
        "values (%s, 'cleared', 'household', now() + interval '1 hour', %s)",
        (owner, world.users["reviewer"]),
    )
    db.execute(
        "insert into report_verdicts (video_id, verdict, reason_code, reporters, decided_by, decided_at) "
        "values (%s, 'dismissed', 'no_violation', 1, %s, '2026-01-01 12:30+00')",
        (video, world.users["reviewer"]),
    )
    db.execute("insert into reporter_records (user_id, dismissed) values (%s, 1)", (owner,))
    done = call_close(db, "first window", closing(world, {"owner": 5_000}))
    db.execute("select issue_statements(%s)", (done["revenue_window_id"],))
    db.execute("select statement_was_mailed(number) from statements")
    db.execute("select plan_jobs()")
    db.execute("select finish_job((claim_job('w') ->> 'id')::bigint, 'w', 1, now(), 'done', '{}')")
    week = {"start": "2025-12-01", "end": "2025-12-08"}
    wrong = call_close(db, "wrong window", closing(world, {"owner": 5_000}, **week))
    db.execute("select reverse_revenue_window('back', %s, 'wrong costs')", (wrong["revenue_window_id"],))
    figures = closing(world, {"owner": 5_000}, start="2026-02-01", end="2026-03-01")["window"]
    db.execute("select record_revenue(%s)", (Jsonb(figures | {"policy_name": "classic_v1", "policy_version": 1}),))
    call_close(db, "large window", closing(world, {"owner": 5_000}, policy={"approval_limit_cents": 1}, **week))
    db.execute(
        "insert into portal_sessions (session_hash, auth_id, refresh_token_sealed, expires_at) "
        "values ('s1', %s, 'sealed', now() + interval '1 hour')",
        (world.logins["owner"],),
    )
    db.execute("insert into login_tickets (ticket_hash, session_hash) values ('t1', 's1')")
    db.execute("select throttle('key', 'sign-in', 5, 60)")
    done = payout(db, world)
    news(db, done, "transfer.paid", event_id="e1")
    news(db, done, "dispute.opened", event_id="e2", dispute="d1", amount_cents=1)
    db.execute("select reverse_clawback('given back', max(id), 'the dispute was won') from clawbacks")
    db.execute("select place_payout_hold(%s, 'looked at for the matrix')", (owner,))
    db.execute("select simulator_send('key', %s, 'sim_paid', 500, 'USD')", (done["payout_id"],))
    return world


def closing(
    world: World,
    cents: Mapping[str, int],
    *,
    start: str = "2026-01-01",
    end: str = "2026-01-08",
    residual_cents: int = 0,
    carried_before: Mapping[str, int] | None = None,
    policy: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The arguments of a close that gives each creator `cents`, one video each, with figures that add up.

    Gross is chosen so that 45 % of it are the pool; fee and reserve are a tenth each, rounded down.
    """
    pool = sum(cents.values()) + residual_cents
    gross = -(-pool * 10_000 // 4_500)
    rules = {**POLICY, **(policy or {})}
    allocations = []
    amounts = list(cents.values())
    shares = divide(pool_cents=pool, weights=amounts, tie_keys=range(len(amounts))).cents
    for (name, amount), share in zip(cents.items(), shares, strict=True):
        tenth = amount // 10
        rest = amount - 2 * tenth
        pays = rest + (carried_before or {}).get(name, 0) >= rules["min_payout_cents"]
        allocations.append(
            {
                "creator_id": world.users[name],
                "alloc_cents": share,
                "capped_cents": amount,
                "platform_fee_cents": tenth,
                "reserve_cents": tenth,
                "pay_now_cents": rest if pays else 0,
                "carried_cents": 0 if pays else rest,
            }
        )
    return {
        "window": {
            "kind": "regular",
            "window_start": f"{start}T00:00:00Z",
            "window_end": f"{end}T00:00:00Z",
            "currency": "USD",
            "gross_cents": gross,
            "taxes_cents": 0,
            "store_fees_cents": 0,
            "refunds_cents": 0,
            "costs_cents": 0,
            "pool_cents": pool,
            "residual_cents": residual_cents,
            "policy_name": rules["name"],
            "policy": rules,
            "use_caps": True,
            "model": rules["model"],
        },
        "shares": [
            {
                "video_id": world.videos[name],
                "creator_id": world.users[name],
                "eng_units": 100,
                "counted_units": 100.0,
                "eis_avg": 61.5,
                "vu": float(amount),
                "share_pct": 100.0 * amount / sum(cents.values()),
                "allocated_cents": amount,
            }
            for name, amount in cents.items()
        ],
        "allocations": allocations,
    }


def capped(db: psycopg.Connection, world: World, **cents: int) -> dict[str, Any]:
    """Puts each creator on a KYC level whose cap is these cents: caps of a policy that leaves a residual."""
    caps: list[int | None] = [0, 0, 0, 0]
    for level, (name, amount) in enumerate(sorted(cents.items(), key=lambda item: item[1]), start=4 - len(cents)):
        caps[level] = amount
        db.execute("update users set kyc_level = %s where id = %s", (level, world.users[name]))
    return {"kyc_caps_cents": caps}


def call_close(db: psycopg.Connection, key: str, figures: Mapping[str, Any]) -> dict[str, Any]:
    """Calls close_revenue_window as whoever the connection is, with the policy kept as it stands in the figures."""
    figures = with_kept_policy(db, figures)
    parts = [Jsonb(figures[name]) for name in ("window", "shares", "allocations")]
    answer: dict[str, Any] = one(db, "select public.close_revenue_window(%s, %s, %s, %s)", key, *parts)
    return answer


def with_kept_policy(db: psycopg.Connection, figures: Mapping[str, Any]) -> Mapping[str, Any]:
    """The figures with the version of their policy, which is kept if it is not yet."""
    window = figures["window"]
    if "policy_version" in window or not isinstance(window.get("policy"), Mapping):
        return figures
    version = keep_policy(db, window["policy"])
    return {
        **figures,
        "window": window | {"policy": {**window["policy"], "version": version}, "policy_version": version},
    }


def keep_policy(db: psycopg.Connection, rules: Mapping[str, Any]) -> int:
    """Keeps the rules with the test's own rights, in the name of nobody; answers their version."""
    with as_the_test(db):
        kept: dict[str, Any] = one(db, "select public.keep_policy(%s)", Jsonb(dict(rules)))
    return int(kept["version"])


@contextmanager
def as_the_test(db: psycopg.Connection) -> Iterator[None]:
    """Steps out of `acting_as` for a moment."""
    role, login = (
        one(db, "select current_setting('role')"),
        one(db, "select current_setting('request.jwt.claim.sub', true)"),
    )
    if role == "none":
        yield
        return
    db.execute("reset role")
    db.execute("select set_config('request.jwt.claim.sub', '', true)")
    yield
    db.execute("select set_config('request.jwt.claim.sub', %s, true)", (login,))
    db.execute(f"set local role {role}")


def post(db: psycopg.Connection, key: str, *entries: tuple[str, int | None, int], **more: Any) -> dict[str, Any]:
    """Posts `(kind, user_id, amount_cents)` entries at a fixed time."""
    rows = [{"kind": kind, "user_id": user, "amount_cents": cents} for kind, user, cents in entries]
    names = "".join(f", {name} => %s" for name in more)
    call = f"select public.post_ledger_transaction(%s, 'bonus', %s, '2026-01-02 00:00+00'{names})"
    answer: dict[str, Any] = one(db, call, key, Jsonb(rows), *more.values())
    return answer


def method(db: psycopg.Connection, world: World, name: str = "owner", token: str = "sim_paid") -> int:
    """A payout method of this creator; the same token twice is the same method."""
    with acting_as(db, name, world):
        return int(one(db, "select add_payout_method('simulator', %s, 'My account')", token))


def request(db: psycopg.Connection, world: World, cents: int = 1_000, *, key: str = "p", name: str = "owner",
            method_id: int | None = None) -> dict[str, Any]:  # fmt: skip
    """Requests a payout as this creator, to `method_id` or to the creator's usual method."""
    chosen = method(db, world, name) if method_id is None else method_id
    with acting_as(db, name, world):
        answer: dict[str, Any] = one(db, "select request_payout(%s, %s, %s)", cents, chosen, key)
    return answer


def begin(db: psycopg.Connection, payout_id: int) -> dict[str, Any]:
    """Begins the transfer, as the job does."""
    answer: dict[str, Any] = one(db, "select begin_payout_transfer(%s)", payout_id)
    return answer


def payout(db: psycopg.Connection, world: World, cents: int = 1_000, **more: Any) -> dict[str, Any]:
    """A payout in transit: the answer of `begin_payout_transfer`."""
    return begin(db, request(db, world, cents, **more)["payout_id"])


def news(db: psycopg.Connection, transfer: Mapping[str, Any], kind: str, *, event_id: str, **more: Any) -> str:
    """What the provider says of a transfer; the outcome."""
    event = {"kind": kind, "provider_key": transfer["provider_key"], "amount_cents": transfer["amount_cents"],
             "currency": transfer["currency"], "event_at": "2026-02-01T00:00:00Z"} | more  # fmt: skip
    answer = one(db, "select record_provider_event('simulator', %s, %s)", event_id, Jsonb(event))
    return str(answer["outcome"])


@contextmanager
def acting_as(db: psycopg.Connection, actor: str, world: World) -> Iterator[None]:
    """One transaction as `actor`, as the data API opens it: committed at the end, rolled back on an error."""
    role = actor if actor in ("anon", "service_role") else "authenticated"
    login = str(world.logins.get(actor, ""))
    with db.transaction():
        db.execute("select set_config('request.jwt.claim.sub', %s, true)", (login,))
        db.execute(f"set local role {role}")
        yield


def one(db: psycopg.Connection, query: str, *parameters: Any) -> Any:
    """The first column of the first row, None without a row."""
    row = db.execute(query, parameters).fetchone()
    return None if row is None else row[0]
