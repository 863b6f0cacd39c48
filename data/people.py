"""Who the simulated people are on paper: names, addresses, phones, KYC documents. Nobody of them exists.

Names and streets come from Faker in pools by language and are combined at random; phone numbers are valid
ones in E.164 by `phonenumbers`; e-mail addresses lie in domains that are reserved for examples.
"""

from __future__ import annotations

import unicodedata
from datetime import date, timedelta

import numpy as np
import phonenumbers
import pyarrow as pa
from faker import Faker

from data.plan import Plan
from data.world import DAY_US, stream, times

# Language of the names, region of the phone, nationality, share.
LOCALES = (
    ("de_DE", "DE", "DE", 0.30),
    ("en_GB", "GB", "GB", 0.12),
    ("fr_FR", "FR", "FR", 0.12),
    ("es_ES", "ES", "ES", 0.10),
    ("pl_PL", "PL", "PL", 0.08),
    ("tr_TR", "TR", "TR", 0.06),
    ("uk_UA", "UA", "UA", 0.05),
    ("en_US", "US", "US", 0.12),
    ("ja_JP", "JP", "JP", 0.05),
)
POOL = 300
INFO_COLUMNS = ("first_name", "last_name", "date_of_birth", "nationality", "address", "phone", "email")
INFO_SCHEMA = pa.schema([("user_id", pa.int64()), *((name, pa.string()) for name in INFO_COLUMNS)])
DOCUMENTS_SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("user_id", pa.int64()),
        ("created_at", pa.timestamp("us", "UTC")),
        ("kind", pa.string()),
        ("storage_path", pa.string()),
        ("status", pa.string()),
        ("reason_code", pa.string()),
    ]
)


def personal_data(plan: Plan, user_ids: np.ndarray) -> pa.Table:
    """One row of plain personal data for each id, as `INFO_SCHEMA`. Dates are ISO, phones E.164 and all
    different.
    """
    rng = stream(plan.seed, "people")
    n = len(user_ids)
    shares = np.array([share for *_, share in LOCALES])
    locale = rng.choice(len(LOCALES), n, p=shares / shares.sum())
    columns: dict[str, np.ndarray] = {name: np.empty(n, object) for name in INFO_COLUMNS}
    for number, (language, region, nation, _) in enumerate(LOCALES):
        rows = np.flatnonzero(locale == number)
        first, last, address = _pools(language, plan.seed)
        columns["first_name"][rows] = first[rng.integers(0, POOL, len(rows))]
        columns["last_name"][rows] = last[rng.integers(0, POOL, len(rows))]
        columns["address"][rows] = address[rng.integers(0, POOL, len(rows))]
        columns["nationality"][rows] = nation
        columns["phone"][rows] = phones(region, len(rows), rng)
    born = plan.end.date() - timedelta(days=18 * 366)
    ages = np.minimum(rng.gamma(2.2, 7, n) * 365, 70 * 365).astype(int)
    columns["date_of_birth"][:] = [_iso(born, days) for days in ages.tolist()]
    columns["email"][:] = [
        f"{_ascii(first)}.{_ascii(last)}.{user}@example.com"
        for first, last, user in zip(columns["first_name"], columns["last_name"], user_ids.tolist(), strict=True)
    ]
    return pa.table({"user_id": user_ids.astype(np.int64), **columns}, schema=INFO_SCHEMA)


def phones(region: str, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` different valid mobile numbers of a region in E.164."""
    example = phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
    found: dict[str, None] = {}
    while len(found) < count:
        # The last six digits are free in every region used here; what is not valid after all is left out.
        for tail in rng.integers(0, 1_000_000, count - len(found)).tolist():
            national = example.national_number // 1_000_000 * 1_000_000 + tail
            number = phonenumbers.PhoneNumber(country_code=example.country_code, national_number=national)
            if phonenumbers.is_valid_number(number):
                found[phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)] = None
    return np.array(list(found), object)


def documents(plan: Plan, users: pa.Table) -> pa.Table:
    """KYC papers of everybody with a level: an identity paper, from level 2 on a proof of address, a few
    refused.
    """
    rng = stream(plan.seed, "documents")
    level = users["kyc_level"].fill_null(0).to_numpy()
    ids = users["id"].to_numpy()
    created = users["created_at"].cast(pa.int64()).fill_null(plan.start_us - 90 * DAY_US).to_numpy()
    identity = rng.choice(["passport", "id_card", "driving_licence"], len(ids), p=[0.3, 0.55, 0.15])
    refused = (level >= 1) & (rng.random(len(ids)) < 0.06)
    parts = (
        (level >= 1, identity, "approved", None),
        (level >= 2, np.full(len(ids), "proof_of_address"), "approved", None),
        (level >= 3, np.full(len(ids), "selfie"), "approved", None),
        (refused, np.full(len(ids), "id_card"), "rejected", "unreadable"),
        ((level == 0) & (rng.random(len(ids)) < 0.01), np.full(len(ids), "passport"), "submitted", None),
    )
    user, kind, status, reason, at = [], [], [], [], []
    for chosen, kinds, state, code in parts:
        rows = np.flatnonzero(chosen)
        user.append(ids[rows])
        kind.append(kinds[rows].astype(object))
        status.append(np.full(len(rows), state, object))
        reason.append(np.full(len(rows), code, object))
        age = (plan.end_us - created[rows]) * rng.random(len(rows))
        at.append(plan.end_us - age.astype(np.int64))
    users_, kinds_ = np.concatenate(user), np.concatenate(kind)
    paths = [
        f"kyc/{owner}/{paper}-{n}.pdf" for n, (owner, paper) in enumerate(zip(users_.tolist(), kinds_, strict=True), 1)
    ]
    return pa.table(
        {
            "id": np.arange(plan.first_id, plan.first_id + len(users_)),
            "user_id": users_,
            "created_at": times(np.concatenate(at)),
            "kind": kinds_,
            "storage_path": paths,
            "status": np.concatenate(status),
            "reason_code": np.concatenate(reason),
        },
        schema=DOCUMENTS_SCHEMA,
    )


def _pools(language: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    fake = Faker(language)
    fake.seed_instance(seed)
    first = [fake.first_name() for _ in range(POOL)]
    last = [fake.last_name() for _ in range(POOL)]
    address = [" ".join(fake.address().split("\n")) for _ in range(POOL)]
    return tuple(np.array(names, object) for names in (first, last, address))  # type: ignore[return-value]


def _ascii(name: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return "".join(c for c in plain.lower() if c.isalnum()) or "user"


def _iso(latest: date, days_before: int) -> str:
    return (latest - timedelta(days=days_before)).isoformat()
