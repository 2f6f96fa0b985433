"""The crash test: clients that keep the books, a broker that is killed, a checker that compares.

    history.py      what the clients did and saw, in the order in which they did and saw it
    checker.py      what must hold of a history; pure
    connection.py   one network connection: bytes to packets
    client.py       a durable session's client: CONNECT, CONNACK, reconnecting
    publisher.py    sends, and sends again what was not acknowledged
    subscriber.py   receives as the standard demands, at its own pace and with its own moods
    wills.py        clients that come and go with a will
    brokers.py      the process under test: kill -9, power cut, restart
    plan.py         everything that is drawn from the seed
    world.py        one data directory, its clients, round after round
    __main__.py     the command line; tests/crash.sh calls it
"""
