"""Each fault alone, three nodes and three members of etcd under load: what a client sees stays what it was promised."""

import faults


def test_a_node_is_killed(lives):
    lives.suffer(faults.kill("n1", away=2.0))


def test_a_node_is_killed_and_at_once_back(lives):
    lives.suffer(faults.kill("n2"))


def test_a_node_stands_still(lives):
    lives.suffer(faults.pause("n0", 9.0))


def test_a_node_stands_still_for_so_short_that_nobody_gives_it_up(lives):
    lives.suffer(faults.pause("n2", 1.5))


def test_a_node_is_cut_off_from_the_others(lives):
    lives.suffer(faults.partition(["n1"], 9.0))


def test_a_node_is_cut_off_from_the_others_and_from_etcd(lives):
    lives.suffer(faults.partition(["n2"], 9.0, from_etcd=True))


def test_what_a_node_sends_is_lost(lives):
    lives.suffer(faults.partition(["n0"], 9.0, one_way=True))


def test_packets_are_lost(lives):
    lives.suffer(faults.loss("n1", 10, 5.0, delay_ms=5))


def test_etcd_is_away(lives):
    lives.suffer(faults.etcd_stop(8.0))


def test_nodes_join_and_leave(lives):
    world = lives.suffer(faults.grow_and_shrink(["n3", "n4"]))
    assert "partition.moved" in (world.broker.folder / "n3.log").read_text(), "it has told how long each hand-over took"


def test_a_node_is_killed_while_it_takes_its_share(lives):
    lives.suffer(faults.kill_while_joining("n3"))


def test_a_rolling_restart(lives):
    lives.suffer(*(faults.restart(name) for name in ("n0", "n1", "n2")))


def test_a_node_comes_back_with_an_empty_disk(lives):
    world = lives.suffer(faults.replace("n1"))
    assert world.forgot, "its sessions were on that disk"
