"""Every attack is labelled, keeps to itself, and does what its name says."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from core.errors import BadInput
from core.tables import check_references
from data.attacks import ATTACKS, RANGES, cost_eur, draw, run
from data.dataset import Dataset, renamed
from data.snapshot import labels_of, write_snapshot
from data.world import HOUR_US, Attack, World, stream

EXISTING = {"comment_pod", "hijacked"}  # their actors are accounts of others
ON_RIVALS = {"framing", "report_brigade"}


def planted(dataset: Dataset, name: str) -> tuple[Attack, duckdb.DuckDBPyConnection]:
    """An attack of the dataset, and DuckDB with its events as `e` and the honest ones as `h`."""
    world = dataset.world
    number = [attack.name for attack in world.attacks].index(name) + 1
    con = duckdb.connect()
    con.register("e", world.events.filter(pa.array(world.event_attack == number)))
    con.register("h", world.events.filter(pa.array(world.event_attack == 0)))
    con.register("u", world.users)
    return world.attacks[number - 1], con


def test_there_are_eleven_attacks_with_documented_parameters() -> None:
    assert set(ATTACKS) == {
        "view_farm",
        "like_ring",
        "device_farm",
        "slow_drip",
        "comment_pod",
        "botnet",
        "mules",
        "hijacked",
        "framing",
        "report_brigade",
        "early_rush",
    }
    for name, function in ATTACKS.items():
        parameters = [p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY]
        assert set(parameters) == set(RANGES[name])
        assert function.__doc__
        for span in RANGES[name].values():
            assert span.low <= span.default <= span.high


@pytest.mark.parametrize("name", list(ATTACKS))
def test_all_its_events_are_by_its_accounts_and_the_label_says_so(dataset: Dataset, name: str) -> None:
    attack, con = planted(dataset, name)
    count, actors = con.execute("select count(*), list(distinct user_id) from e").fetchone()
    assert count == attack.events.num_rows > 0
    assert set(actors) <= set(attack.roles["user_id"].to_pylist())
    new = set(attack.users["id"].to_pylist())
    honest = set(dataset.world.users["id"].to_pylist()[: dataset.plan.users])
    if name in EXISTING:
        assert set(actors) <= honest
    else:
        assert set(actors) <= new
        assert not new & honest


def test_no_account_serves_two_attacks_and_no_table_tells_who_attacks(dataset: Dataset) -> None:
    everyone = [user for attack in dataset.world.attacks for user in attack.roles["user_id"].to_pylist()]
    assert len(everyone) == len(set(everyone))
    for table in (dataset.world.users, dataset.world.videos, dataset.world.events):
        assert not {"attack", "role", "label"} & set(table.column_names)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_targets_exist_and_get_something(dataset: Dataset, name: str) -> None:
    attack, con = planted(dataset, name)
    effects = set(attack.targets["effect"].to_pylist())
    assert effects == ({"harm"} if name in ON_RIVALS else {"gain"})
    creators = dict(zip(*(dataset.world.videos[c].to_pylist() for c in ("id", "creator_id")), strict=True))
    for row in attack.targets.to_pylist():
        assert creators[row["video_id"]] == row["creator_id"]
    targets = attack.targets["video_id"].to_pylist()
    hits = con.execute("select count(*) from e where video_id = any($1)", [targets]).fetchone()[0]
    disguised = name in {"device_farm", "slow_drip", "like_ring", "mules"}
    assert hits == attack.events.num_rows if not disguised else 0 < hits < attack.events.num_rows


def test_each_attack_has_the_mark_of_its_kind(dataset: Dataset) -> None:
    def one(name: str, query: str) -> float:
        return float(planted(dataset, name)[1].execute(query).fetchone()[0])

    per_device = "select max(n) from (select count(distinct user_id) n from e group by device_id)"
    assert one("view_farm", per_device) >= 5
    assert one("device_farm", per_device) >= 4
    assert one("botnet", per_device) == 1
    assert one("botnet", "select max(n) from (select count(*) n from e where event_type='view' group by user_id)") <= 3
    assert one("like_ring", "select avg((event_type = 'like')::int) from e") > 0.25
    assert one("comment_pod", "select avg((event_type = 'comment')::int) from e") > 0.2
    assert one("report_brigade", "select avg((event_type = 'report')::int) from e") > 0.5
    assert one("mules", "select min(kyc_level) from u where id in (select user_id from e)") >= 2
    assert one("slow_drip", "select count(distinct ts::date) from e") >= 12
    assert one("hijacked", "select count(*) from e where device_id in (select device_id from h)") == 0
    rush, _ = planted(dataset, "early_rush")
    born = dict(zip(*(rush.videos[c].to_pylist() for c in ("id", "created_at")), strict=True))
    late = [
        event["ts"] - born[event["video_id"]]
        for event in rush.events.filter(pa.compute.equal(rush.events["event_type"], "view")).to_pylist()
    ]
    assert max(late).total_seconds() < 2 * 3600


def test_parameters_can_be_drawn_afresh_and_every_draw_holds_together(honest: Dataset) -> None:
    """What a red team does: other parameters, another seed, on the same honest world."""
    world = honest.world
    for seed in range(3):
        for name in ATTACKS:
            rng = stream(seed, name)
            parameters = draw(name, rng)
            attack = run(name, world, rng, parameters)
            assert attack.parameters == parameters
            merged = world.merge(attack)
            check_references(merged.users, merged.videos, merged.events)
            assert int((merged.event_attack == 1).sum()) == attack.events.num_rows
            times = attack.events["ts"].to_numpy().view("i8")
            assert world.start_us <= times.min() <= times.max() < world.end_us
            assert cost_eur(attack, merged) > 0


def test_an_attack_can_be_planted_in_plain_tables_of_any_origin(honest: Dataset) -> None:
    tables = honest.world
    videos = tables.videos
    ageless = videos.set_column(
        2, videos.schema.field("created_at"), pa.nulls(videos.num_rows, pa.timestamp("us", "UTC"))
    )
    day = {"start_us": tables.start_us, "end_us": tables.start_us + 24 * HOUR_US}
    plain = World.of(tables.users, ageless, tables.events, **day)
    attack = run("botnet", plain, np.random.default_rng(1), {"accounts": 60})
    assert attack.users.num_rows == 61  # the accounts and their creator


def test_wrong_names_and_parameters_are_refused(honest: Dataset) -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(BadInput, match="there is no attack 'bots'"):
        run("bots", honest.world, rng)
    with pytest.raises(BadInput, match="has no parameter size"):
        run("botnet", honest.world, rng, {"size": 3})
    with pytest.raises(BadInput, match="accounts of botnet must be between 50 and 20000"):
        run("botnet", honest.world, rng, {"accounts": 1})


def test_labels_stand_beside_the_tables_and_count_what_was_planted(dataset: Dataset, tmp_path: Path) -> None:
    labels = labels_of(dataset.world)
    assert labels.events.num_rows == int((dataset.world.event_attack > 0).sum())
    by_attack = dict(zip(*np.unique(labels.events["attack"].to_pylist(), return_counts=True), strict=True))
    assert by_attack == {a.name: a.events.num_rows for a in dataset.world.attacks}
    write_snapshot(dataset, tmp_path / "s", "parquet")
    described = json.loads((tmp_path / "s" / "labels" / "attacks.json").read_text())
    assert [row["attack"] for row in described] == list(ATTACKS)
    assert not [p for p in (tmp_path / "s").glob("*.parquet") if "attack" in duckdb.read_parquet(str(p)).columns]


def test_an_attack_that_comes_twice_has_two_labels(honest: Dataset) -> None:
    world = honest.world
    names = ("botnet", "hijacked", "comment_pod", "report_brigade")
    many = {"hijacked": {"accounts": 400}, "comment_pod": {"members": 30}}
    for seed, name in enumerate((*names, *names)):  # those who are taken over once are left alone by the next
        world = world.merge(run(name, world, np.random.default_rng(seed), many.get(name)))
    labels = labels_of(world)
    assert [row["attack"] for row in labels.attacks] == [*names, *(f"{name}_2" for name in names)]
    assert set(labels.roles["attack"].to_pylist()) == {row["attack"] for row in labels.attacks}
    users = labels.roles["user_id"].to_pylist()
    assert len(users) == len(set(users))


def test_renaming_users_renames_them_everywhere(dataset: Dataset) -> None:
    old = dataset.world.attacks[0].roles["user_id"][0].as_py()
    other = renamed(dataset, {old: 5})
    for table in other.tables().values():
        for column in {"user_id", "creator_id"} & set(table.column_names):
            assert old not in table[column].to_pylist()
    assert old not in other.world.users["id"].to_pylist()
    assert old not in labels_of(other.world).roles["user_id"].to_pylist()
    back = renamed(other, {5: old})
    assert back.world.events.equals(dataset.world.events)
    assert back.world.users.equals(dataset.world.users)
