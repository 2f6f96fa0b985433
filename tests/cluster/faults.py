"""What can happen to a cluster. Each returns a fault: a coroutine function of the world that does it and heals it.

Seconds are how long it lasts, and no wait for anything: a fault is over when it says so.
"""

import asyncio
import shutil


def fault(text, body):
    """Gives a fault its name, which is printed with a violation."""
    body.__doc__ = text
    return body


def kill(name, away=0.0):
    async def body(world):
        await world.outside(lambda: world.broker.kill(name))
        await asyncio.sleep(away)
        await world.outside(lambda: world.broker.start(name))
    return fault(f"kill -9 {name}, started again after {away:.1f} s", body)


def pause(name, seconds):
    async def body(world):
        world.broker.suspend(name)
        try:
            await asyncio.sleep(seconds)
        finally:
            world.broker.resume(name)
    return fault(f"SIGSTOP {name} for {seconds:.1f} s", body)


def partition(names, seconds, one_way=False, from_etcd=False):
    """The nodes `names` are cut off from the others (one_way: only what they send is lost), and from etcd if so said. Clients reach all."""
    async def body(world):
        hosts, inside = world.broker.hosts, [world.broker.hosts[name] for name in names]
        outside = [hosts[name] for name in world.broker.nodes if name not in names]
        cuts = [(there, here) for here in inside for there in outside]
        if from_etcd:
            cuts += [(there, here) for here in inside for there in world.broker.etcd_hosts]
        if not one_way:
            cuts += [(here, there) for there, here in cuts]
        await world.outside(lambda: [at.refuse(sender) for at, sender in cuts])
        try:
            await asyncio.sleep(seconds)
        finally:
            await world.outside(lambda: [at.accept(sender) for at, sender in cuts])
    how = "one way" if one_way else "both ways"
    return fault(f"partition of {'+'.join(names)}{' and from etcd' if from_etcd else ''}, {how}, for {seconds:.1f} s", body)


def loss(name, percent, seconds, delay_ms=0):
    async def body(world):
        host = world.broker.hosts[name]
        await world.outside(lambda: host.lose(percent, delay_ms))
        try:
            await asyncio.sleep(seconds)
        finally:
            await world.outside(host.lose_nothing)
    return fault(f"{name} loses {percent} % of all packets for {seconds:.1f} s", body)


def etcd_stop(seconds):
    async def body(world):
        await world.outside(world.broker.etcd.stop)
        try:
            await asyncio.sleep(seconds)
        finally:
            await world.outside(world.broker.etcd.start)
    return fault(f"etcd is stopped for {seconds:.1f} s", body)


def replace(name):
    """What lived on the node is gone; whose session that was may find it gone."""
    async def body(world):
        await world.outside(lambda: world.broker.kill(name))
        world.forgotten.update(client.name for client in world.clients)
        shutil.rmtree(world.broker.folder / name)
        await world.outside(lambda: world.broker.start(name))
    return fault(f"{name} is killed and comes back with an empty disk", body)


def grow_and_shrink(names):
    async def body(world):
        for name in names:
            await world.outside(lambda name=name: world.broker.start(name))
        await world.outside(world.broker.wait_whole)
        await world.answered()
        for name in names:
            await world.outside(lambda name=name: world.broker.drain(name))
    return fault(f"{'+'.join(names)} join, take their share, and leave again", body)


def restart(name):
    async def body(world):
        await world.outside(lambda: world.broker.drain(name))
        await world.outside(lambda: world.broker.start(name))
    return fault(f"SIGTERM {name}, started again", body)


def kill_while_joining(name):
    async def body(world):
        await world.outside(lambda: world.broker.start(name))
        await world.outside(lambda: world.broker.kill(name))
        await world.outside(lambda: world.broker.start(name))
        await world.outside(world.broker.wait_whole)
        await world.outside(lambda: world.broker.drain(name))
    return fault(f"{name} joins, is killed while it takes its share, comes back, and leaves", body)


def draw(rng, names, spare):
    """One of them, drawn from the seed. `spare`: a node that may join."""
    name = rng.choice(names)
    others = [each for each in names if each != name]
    some = [name] if rng.random() < 0.6 else [name, rng.choice(others)]
    return rng.choice((
        lambda: kill(name, rng.choice((0.0, 1.0, 5.0))),
        lambda: kill(name, rng.choice((0.0, 1.0, 5.0))),
        lambda: pause(name, rng.choice((0.5, 3.0, 9.0))),
        lambda: partition(some, rng.choice((1.0, 4.0, 10.0))),
        lambda: partition(some, rng.choice((4.0, 10.0)), from_etcd=True),
        lambda: partition([name], rng.choice((4.0, 10.0)), one_way=True),
        lambda: loss(name, rng.choice((2, 10, 25)), rng.choice((3.0, 10.0)), delay_ms=rng.choice((0, 20))),
        lambda: etcd_stop(rng.choice((2.0, 8.0, 20.0))),
        lambda: grow_and_shrink([spare]),
        lambda: restart(name),
        lambda: kill_while_joining(spare),
    ))()
