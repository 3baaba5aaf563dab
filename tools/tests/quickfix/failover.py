"""Two members with a stock FIX engine that know all nodes of a cluster by the engine's own settings, trade with each other
and follow the primary.

    failover.py RIALTO FOLDER SEED HOST:PORT,HOST:PORT,...

RIALTO is the binary, FOLDER an empty folder for everything that is written. Reads what to do from standard input, a word
a line, and answers each with a line of JSON, {"ok": true, ...} or {"ok": false, "why": ...}:

    trade          Begins to trade, and goes on whatever happens; answered once both have traded.
    settle         Trades where the primary is now, asks for no more, and waits for all answers.
    check DATADIR  What the members believe is what the node in this directory says, and every request was answered once.
    end            Logs out.
"""

import json
import os
import random
import sys
import threading
import time
import traceback
from collections import Counter
from pathlib import Path

import node
from member import Failed, Member
from scenario import Exchange, check, dictionary
from wirelog import WireLog, planted_faults_are_found

SYMBOL = "QUARTZ"
NAMES = ["GAMMA1", "GAMMA2"]
# Requests of one member on their way at once, its open orders, and the pause before each request in seconds.
WINDOW, OPEN_MAX, PAUSE = 16, 60, 0.002
# Answers on one connection after which a member has traded there.
SOME = 100
# Longer than numbers stay on their way between two that are quiet, in seconds.
ON_ITS_WAY = 5
SIDES = {"buy": 1, "sell": 2}


class Trader(Member):
    """A member that asks for orders, replaces and cancels at random."""

    def __init__(self, *arguments, dice, **more):
        self.dice = dice
        self.asked = 0
        # Ids without an answer, and how many answers each id has.
        self.waiting, self.answers = set(), Counter()
        # Answers on this connection, when the last one came, and the gap before the first one.
        self.since_log_on, self.last_at, self.gap = 0, None, None
        self.log_ons_heard = []
        super().__init__(*arguments, **more)
        self.wire = WireLog(self.folder / "log" / f"FIX.4.4-{self.name}-RIALTO.messages.current.log", self.name)

    def note(self, live):
        with self.changed:
            self.since_log_on = 0
            super().note(live)

    def take(self, fields):
        super().take(fields)
        if fields[35] == "A":
            self.log_ons_heard.append(int(fields[34]))
        if not is_answer(fields):
            return
        now = time.monotonic()
        if self.since_log_on == 0 and self.last_at is not None:
            self.gap = now - self.last_at
        self.since_log_on, self.last_at = self.since_log_on + 1, now
        self.answers[fields[11]] += 1
        self.waiting.discard(fields[11])

    def ask(self):
        """Sends a request, unless too many are on their way."""
        with self.changed:
            if len(self.waiting) >= WINDOW:
                return
            self.asked += 1
            name = f"{self.name}-{self.asked}"
            self.waiting.add(name)
            chance = self.dice.randrange(100)
            open_ = list(self.orders.values())
        quantity, price = self.dice.randint(1, 10), f"10.{5 * self.dice.randrange(10):02}"
        if not open_ or (chance >= 40 and len(open_) < OPEN_MAX):
            # One of five does not rest.
            self.order(name, self.dice.choice(list(SIDES)), quantity, SYMBOL, price, t59=3 if chance >= 88 else 0)
            return
        order = self.dice.choice(open_)
        fields = {11: name, 41: order["cl_ord_id"], 55: SYMBOL, 54: SIDES[order["side"]]}
        if chance < 20:
            self.send("G", {**fields, 38: quantity, 40: 2, 44: price, 21: 1})
        else:
            self.send("F", {**fields, 38: order["quantity"]})


def is_answer(fields):
    """Whether this is the one answer to the request whose id it carries."""
    if fields[35] == "8":
        # Without 41 an end is nobody's answer: what does not rest is closed.
        return fields[150] in "08" or (fields[150] in "45" and 41 in fields)
    return fields[35] == "9"


class Primary:
    """What one node says of these members, asked once."""

    def __init__(self, binary, data):
        self.lists = {what: node.show(binary, data, what) for what in ("orders", "trades", "sessions")}

    def show(self, what):
        is_ours = {"orders": lambda row: row["session"] in NAMES, "trades": lambda row: row["symbol"] == SYMBOL}
        return [dict(row) for row in self.lists[what] if is_ours.get(what, lambda _: True)(row)]


class Cluster(Exchange):
    """The nodes and the two members."""

    def __init__(self, binary, folder, seed, addresses):
        self.binary = binary
        dice = random.Random(seed)
        self.members = [
            Trader(name, "secret", folder, addresses, dictionary(), dice=random.Random(dice.random())) for name in NAMES
        ]
        self.alpha, self.beta = self.members
        self.trades = threading.Event()
        for member in self.members:
            member.start()
            threading.Thread(target=self.work, args=(member,), daemon=True).start()

    def work(self, member):
        while True:
            self.trades.wait()
            try:
                member.ask()
            except Exception:
                member.wrong.append(traceback.format_exc())
                return
            time.sleep(PAUSE)

    def trade(self):
        for member in self.members:
            member.log_on()
            member.since_log_on, member.gap = 0, None
        self.trades.set()
        self.have_traded()
        return {}

    def have_traded(self):
        for member in self.members:
            member.wait("some answers", lambda m=member: m.live and m.since_log_on >= SOME)

    def settle(self):
        for member in self.members:
            member.wait("another primary", lambda m=member: m.gap is not None)
        self.have_traded()
        self.trades.clear()
        for member in self.members:
            member.wait("all answers", lambda m=member: not m.waiting)
        self.quiet()
        return {"gap_ms": [round(1000 * member.gap) for member in self.members]}

    def check(self, data):
        self.node = Primary(self.binary, data)
        open_, trades = self.agree()
        self.all_were_answered()
        self.numbers_went_on()
        for member in self.members:
            member.wire.read()
            planted_faults_are_found(member.wire.file, member.name)
        self.plant()
        self.numbers_are_equal(data)
        for member in self.members:
            with member.changed:
                member.inbox.clear()
        return {
            "requests": sum(member.asked for member in self.members),
            "open": open_,
            "trades": trades,
            "sent_again": sum(len(member.resent) for member in self.members),
            "heard_again": sum(member.wire.again for member in self.members),
            "log_ons": [len(member.log_on_numbers) for member in self.members],
        }

    def all_were_answered(self):
        for member in self.members:
            asked = {f"{member.name}-{number}" for number in range(1, member.asked + 1)}
            check(not asked - set(member.answers), f"never answered: {asked - set(member.answers)}")
            check(not set(member.answers) - asked, f"never asked: {set(member.answers) - asked}")
            twice = [name for name, times in member.answers.items() if times != 1]
            check(not twice, f"answered more than once: {twice}")
            # Reject, refusal as business, and a good-bye of either side, which is what wrong numbers end with.
            for kind in "3j5":
                check(member.heard[kind] == 0, f"{member.name} was sent a message of type {kind}: {member.inbox}")
                check(member.sent[kind] == 0, f"{member.name} sent {member.sent[kind]} messages of type {kind}")

    def numbers_went_on(self):
        for member in self.members:
            for numbers in (member.log_on_numbers, member.log_ons_heard):
                check(numbers == sorted(set(numbers)), f"{member.name}: numbers of log-ons went back: {numbers}")

    def numbers_are_equal(self, data):
        """Both sides have the same numbers, once a heartbeat that is on its way has come."""
        deadline = time.monotonic() + ON_ITS_WAY
        while True:
            before = {member.name: member.numbers() for member in self.members}
            rows = {row["session"]: row for row in node.show(self.binary, data, "sessions")}
            after = {member.name: member.numbers() for member in self.members}
            there = {name: (rows[name]["next_inbound"], rows[name]["next_outbound"]) for name in NAMES}
            if before == there == after:
                return
            check(time.monotonic() < deadline, f"members are at {after}, the exchange at {there}")

    def plant(self):
        """Each of these checks fails if a member loses, doubles or changes one thing that it was told."""
        for member in self.members:
            if member.orders:
                order, known = next(iter(member.orders.items()))
                changed = {**known, "open": known["open"] + 1}
                self.finds(lambda: member.orders.pop(order), lambda: member.orders.update({order: known}))
                self.finds(lambda: member.orders.update({order: changed}), lambda: member.orders.update({order: known}))
            trade, fill = next(iter(member.fills.items()))
            self.finds(lambda: member.fills.pop(trade), lambda: member.fills.update({trade: fill}))
            first = f"{member.name}-1"
            self.finds(lambda: member.answers.update([first]), lambda: member.answers.subtract([first]))
            self.finds(lambda: member.answers.pop(first), lambda: member.answers.update([first]))
            self.finds(lambda: member.log_ons_heard.append(1), member.log_ons_heard.pop)
            self.finds(lambda: member.heard.update("5"), lambda: member.heard.subtract("5"))

    def finds(self, plant, mend):
        """What was planted is found, and then taken out again."""
        with self.members[0].changed, self.members[1].changed:
            plant()
            try:
                self.agree()
                self.all_were_answered()
                self.numbers_went_on()
            except Failed:
                return
            finally:
                mend()
        raise Failed("a planted fault was not found")

    def end(self):
        for member in self.members:
            member.leave()
        return {}


def main(binary, folder, seed, addresses):
    """Does what it is told until the end, or until its input ends."""
    places = [address.rsplit(":", 1) for address in addresses.split(",")]
    cluster = Cluster(binary, Path(folder), seed, places)
    words = {"trade": cluster.trade, "settle": cluster.settle, "check": cluster.check, "end": cluster.end}
    for line in sys.stdin:
        word, *more = line.split(maxsplit=1)
        try:
            answer = {"ok": True, **words[word](*(part.strip() for part in more))}
        except Exception as why:
            wrong = [fault for member in cluster.members for fault in member.wrong]
            answer = {"ok": False, "why": "\n".join([f"{word}: {why}", *wrong]), "trace": traceback.format_exc()}
        print(json.dumps(answer), flush=True)
        if word == "end":
            return


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.stdout.flush()
    # The engines' threads call back into the interpreter; they end with the process.
    os._exit(0)
