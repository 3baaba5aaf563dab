"""A stock FIX engine against a node: two members trade, replace, cancel and ask, one of them is cut in the middle of it
all, the node is killed, and everybody goes on where they were.

    scenario.py RIALTO FOLDER

RIALTO is the binary, FOLDER an empty folder for everything that is written. A line for each part; exit 0 if all hold."""

import os
import sys
import traceback
from decimal import Decimal
from pathlib import Path

import quickfix

from member import Failed, Member
from node import Node, Wire

HERE = Path(__file__).resolve().parent


def dictionary():
    """The FIX44.xml that the engine's package ships."""
    for root in [Path(sys.prefix), Path(quickfix.__file__).parent]:
        for found in sorted(root.rglob("FIX44.xml")):
            return found
    raise Failed("the engine's package has no FIX44.xml")


def check(holds, words):
    if not holds:
        raise Failed(words)


class Exchange:
    """The node, its two members and the first one's wire."""

    def __init__(self, binary, folder):
        self.node = Node(binary, HERE / "config.toml", folder)
        self.node.start()
        self.wires = [Wire(self.node), Wire(self.node)]
        xml = dictionary()
        # One writes its times to the millisecond, the other to the second.
        self.alpha = Member("ALPHA1", "alpha-secret", folder, self.wires[0].addresses, xml, precision=3)
        self.beta = Member("BETA1", "beta-secret", folder, self.wires[1].addresses, xml, precision=0)
        self.members = [self.alpha, self.beta]

    def agree(self):
        """What the members believe is what the exchange says, and neither engine found fault with a message."""
        for member in self.members:
            check(not member.wrong, "\n".join(member.wrong))
        orders = {}
        for row in self.node.show("orders"):
            row.update({name: Decimal(row[name]) for name in ("price", "quantity", "open")})
            orders[row["order"]] = row
        believed = {**self.alpha.orders, **self.beta.orders}
        check(orders == believed, f"open orders differ:\n  exchange {orders}\n  members  {believed}")
        trades = {row["trade"]: row for row in self.node.show("trades")}
        told_of = {}
        for member in self.members:
            for (number, _), fill in member.fills.items():
                told_of.setdefault(number, []).append(fill)
        check(set(told_of) <= set(trades), f"told of trades that are not there: {set(told_of) - set(trades)}")
        for number, row in trades.items():
            what = row["symbol"], Decimal(row["price"]), Decimal(row["quantity"])
            sides = sorted(told_of.get(number, []))
            told = sorted([(*what, "buy", row["buy_order"]), (*what, "sell", row["sell_order"])])
            check(sides == told, f"trade {number} differs:\n  exchange {told}\n  members  {sides}")
        return len(orders), len(trades)

    def quiet(self):
        """Waits until the exchange has dealt with all that was sent, and each member with what it was told."""
        for member in self.members:
            place, name = member.place(), f"quiet{member.place()}"
            member.send("AF", {584: name, 585: 7})
            member.answer(place, t35=8, t584=name, t912="Y")

    def numbers_agree(self):
        """The numbers of both sides are the same."""
        sessions = {row["session"]: row for row in self.node.show("sessions")}
        for member in self.members:
            row, (out, into) = sessions[member.name], member.numbers()
            # Heartbeats may be on their way.
            near = abs(row["next_inbound"] - out) <= 2 and abs(row["next_outbound"] - into) <= 2
            check(near, f"{member.name} is at {out}/{into}, the exchange at {row}")
            numbers = member.log_on_numbers
            check(numbers == sorted(numbers), f"log-on numbers of {member.name} went back: {numbers}")


def they_log_on(all_):
    for member in all_.members:
        member.start().log_on()
    check(all_.alpha.log_on_numbers == [1], "the first log-on has number 1")


def they_trade_with_each_other(all_):
    alpha, beta = all_.alpha, all_.beta
    alpha.order("a1", "sell", 300, "ACME", "10.25", t1="A1")
    new = alpha.answer(t35=8, t11="a1", t150=0)
    check((new[39], new[151], new[14]) == ("0", "300", "0"), f"{new}")
    # A session's first account is meant where none is named.
    beta.order("b1", "buy", 100, "ACME", "10.30", t59=3)
    fill = beta.answer(t35=8, t11="b1", t150="F")
    check((fill[39], fill[31], fill[32], fill[6]) == ("2", "10.25", "100", "10.25"), f"{fill}")
    part = alpha.answer(t35=8, t11="a1", t150="F")
    check((part[39], part[151], part[14]) == ("1", "200", "100"), f"{part}")
    check(part[527] == fill[527] and part[17] != fill[17], "both sides tell of one trade, each in its own report")
    check((part[851], fill[851]) == ("1", "2"), "who was there first is the maker")
    # By quantity at any price, and by funds.
    beta.order("b2", "buy", 50, "BOLT", None, t59=3)
    none = beta.answer(t35=8, t11="b2", t151=0)
    check((none[39] in "48C", none[14]) == (True, "0"), f"{none}")
    alpha.order("a2", "sell", 150, "BOLT", "7.5", t59=1)
    alpha.answer(t35=8, t11="a2", t150=0)
    beta.order("b3", "buy", 50, "BOLT", None)
    beta.answer(t35=8, t11="b3", t150="F", t39=2)
    beta.send("D", {11: "b4", 55: "BOLT", 54: 1, 40: 1, 152: "400.00", 59: 3})
    funds = beta.answer(t35=8, t11="b4", t150="F")
    check((funds[32], Decimal(funds[152])) == ("50", Decimal(400)), f"{funds}")
    # All or nothing, and only if it rests.
    beta.order("b5", "buy", 5000, "ACME", "10.25", t59=4)
    none = beta.answer(t35=8, t11="b5", t151=0)
    check(none[39] in "48C", f"an order that cannot be filled is closed: {none}")
    beta.order("b6", "buy", 100, "ACME", "10.25", t18="6")
    none = beta.answer(t35=8, t11="b6", t151=0)
    check(none[39] in "48C", f"{none}")


def they_replace(all_):
    alpha, beta = all_.alpha, all_.beta
    order = alpha.answer(t35=8, t11="a1", t150=0)[37]
    common = {55: "ACME", 54: 2, 40: 2, 21: 1}
    alpha.send("G", {11: "a3", 41: "a1", 38: 500, 44: "10.24", **common})
    replaced = alpha.answer(t35=8, t11="a3", t150=5)
    check((replaced[37], replaced[41]) == (order, "a1"), f"{replaced}")
    check((replaced[38], replaced[151], replaced[14], replaced[39]) == ("500", "400", "100", "1"), f"{replaced}")
    beta.order("b10", "buy", 100, "ACME", "10.24")
    check(alpha.answer(t35=8, t11="a3", t150="F")[37] == order, "the order's number stays")
    # At or below what is filled.
    alpha.send("G", {11: "a4", 41: "a3", 38: 200, 44: "10.24", **common})
    refused = alpha.answer(t35=9, t11="a4")
    check((refused[41], refused[39], refused[434], refused[102]) == ("a3", "1", "2", "0"), f"{refused}")
    alpha.send("G", {11: "a5", 41: "zz", 38: 200, 44: "10.24", **common})
    refused = alpha.answer(t35=9, t11="a5")
    check((refused[37], refused[39], refused[434], refused[102]) == ("NONE", "8", "2", "1"), f"{refused}")


def they_cancel(all_):
    beta = all_.beta
    beta.order("b20", "buy", 200, "ACME", "9.90")
    order = beta.answer(t35=8, t11="b20", t150=0)[37]
    beta.send("F", {11: "b21", 41: "b20", 55: "ACME", 54: 1, 38: 200})
    done = beta.answer(t35=8, t11="b21", t150=4)
    check((done[37], done[41], done[39], done[151]) == (order, "b20", "4", "0"), f"{done}")
    beta.send("F", {11: "b22", 41: "b20", 55: "ACME", 54: 1, 38: 200})
    refused = beta.answer(t35=9, t11="b22")
    check((refused[434], refused[41]) == ("1", "b20"), f"{refused}")
    beta.send("F", {11: "b23", 41: "zz", 55: "ACME", 54: 1, 38: 200})
    refused = beta.answer(t35=9, t11="b23")
    check((refused[37], refused[39], refused[102]) == ("NONE", "8", "1"), f"{refused}")


def orders_are_refused_in_words(all_):
    alpha = all_.alpha
    wrong = [
        ("r1", ("ACMX", 100, "10.00"), {}, "no instrument ACMX"),
        ("r2", ("ACME", 150, "10.00"), {}, "multiple"),
        ("r3", ("BOLT", 75, "7.00"), {}, "multiple"),
        ("r4", ("ACME", 100, "10.001"), {}, "multiple"),
        ("r5", ("ACME", 0, "10.00"), {}, ""),
        ("r6", ("ACME", 100, "10.00"), {"t1": "A9"}, "no account A9"),
        ("r7", ("ACME", 100, "10.00"), {"t1": "B1"}, ""),
        ("r8", ("ACME", 100000, "100000.00"), {}, ""),
        ("r9", ("ACME", 100, "10.00"), {"t59": 6, "t432": "20301231"}, "time in force"),
        ("a1", ("ACME", 100, "10.00"), {}, "a1 was used before"),
    ]
    for name, (symbol, quantity, price), more, words in wrong:
        place = alpha.place()
        alpha.order(name, "buy", quantity, symbol, price, **more)
        refused = alpha.answer(place, t35=8, t11=name, t150=8)
        check((refused[39], refused[151], refused[14], refused[6]) == ("8", "0", "0", "0"), f"{refused}")
        check(103 in refused and words in refused.get(58, ""), f"{refused}")


def they_ask_for_status(all_):
    alpha, beta = all_.alpha, all_.beta
    alpha.send("H", {11: "a3", 55: "ACME", 54: 2, 790: "q1"})
    status = alpha.answer(t35=8, t150="I", t790="q1")
    check((status[11], status[39], status[38], status[14]) == ("a3", "1", "500", "200"), f"{status}")
    alpha.send("H", {11: "zz", 55: "ACME", 54: 2, 790: "q2"})
    status = alpha.answer(t35=8, t150="I", t790="q2")
    check((status[37], status[39]) == ("NONE", "8"), f"{status}")
    # Someone else's order is nobody's.
    beta.send("H", {11: "a3", 55: "ACME", 54: 2, 790: "q3"})
    check(beta.answer(t35=8, t150="I", t790="q3")[37] == "NONE", "an order is its member's own affair")
    place = alpha.place()
    alpha.send("AF", {584: "q4", 585: 7})
    alpha.answer(place, t35=8, t584="q4", t912="Y")
    told = [m for m in alpha.inbox[place:] if m.get(584) == "q4"]
    check({m[37] for m in told} == {str(o) for o in alpha.orders}, f"{told} {alpha.orders}")
    check({m[911] for m in told} == {str(len(told))}, f"{told}")


def they_ask_for_the_list_of_instruments(all_):
    for member in all_.members:
        member.send("x", {320: "list1", 559: 4})
        found = member.answer(t35="y", t320="list1")
        check((found[560], found[393], found[146]) == ("0", "2", "2"), f"{found}")
        member.send("x", {320: "list2", 559: 0, 55: "BOLT"})
        found = member.answer(t35="y", t320="list2")
        check((found[560], found[393], found[55], found[561]) == ("0", "1", "BOLT", "50"), f"{found}")


def what_is_not_offered_is_refused_as_business(all_):
    alpha = all_.alpha
    alpha.send("g", {335: "t1", 263: 0})
    refused = alpha.answer(t35="j", t372="g")
    check(refused[380] == "3", f"{refused}")


def they_cancel_all_of_their_orders(all_):
    beta = all_.beta
    for number in range(3):
        beta.order(f"b3{number}", "buy", 100, "ACME", f"9.8{number}")
        beta.answer(t35=8, t11=f"b3{number}", t150=0)
    beta.order("b33", "buy", 50, "BOLT", "7.00")
    beta.answer(t35=8, t11="b33", t150=0)
    beta.send("q", {11: "b34", 530: 1, 55: "ACME"})
    report = beta.answer(t35="r", t11="b34")
    check((report[531], report[533]) == ("1", "3"), f"{report}")
    beta.wait("the end of three orders", lambda: len(beta.orders) == 1)
    beta.send("q", {11: "b35", 530: 7})
    check(beta.answer(t35="r", t11="b35")[533] == "1", "one was left")
    beta.wait("the end of all orders", lambda: not beta.orders)
    all_.agree()


def heartbeats_keep_a_quiet_session(all_):
    beta = all_.beta
    before = beta.sent["0"], beta.heard["0"]
    beta.wait("three heartbeats each way", lambda: beta.sent["0"] >= before[0] + 3 and beta.heard["0"] >= before[1] + 3)
    check(beta.live and len(beta.log_on_numbers) == 1, "a quiet session stays logged on")


def bytes_come_one_at_a_time(all_):
    all_.wires[0].split = True
    alpha, place = all_.alpha, all_.alpha.place()
    for number in range(5):
        alpha.order(f"s{number}", "sell", 100, "ACME", f"11.0{number}")
    for number in range(5):
        alpha.answer(place, t35=8, t11=f"s{number}", t150=0)
    all_.wires[0].split = False


def one_is_cut_while_the_other_trades(all_):
    """What each side sent is lost on the way, and neither knows before the wire is cut."""
    alpha, beta, wire = all_.alpha, all_.beta, all_.wires[0]
    alpha.order("c1", "sell", 500, "ACME", "10.10")
    alpha.answer(t35=8, t11="c1", t150=0)
    asked, resent, again, fills = alpha.sent["2"], len(alpha.resent), len(alpha.heard_again), len(alpha.fills)
    wire.swallowed.update({"in": 0, "out": 0})
    wire.swallow = True
    alpha.order("c2", "sell", 100, "ACME", "10.11")
    alpha.order("c3", "buy", 50, "BOLT", "7.00")
    alpha.send("F", {11: "c4", 41: "c3", 55: "BOLT", 54: 1, 38: 50})
    for number in range(3):
        beta.order(f"cb{number}", "buy", 100, "ACME", "10.10")
        beta.answer(t35=8, t11=f"cb{number}", t150="F", t39=2)
    alpha.wait("bytes lost both ways", lambda: min(wire.swallowed.values()) > 0)
    wire.cut()
    alpha.wait("the end of the connection", lambda: not alpha.live)
    beta.order("cb9", "buy", 100, "ACME", "10.10")
    beta.answer(t35=8, t11="cb9", t150="F", t39=2)
    wire.mend()
    alpha.log_on()
    alpha.wait("the fills that it missed", lambda: len(alpha.fills) == fills + 4)
    for number in (2, 3):
        alpha.answer(t35=8, t11=f"c{number}", t150=0)
    alpha.answer(t35=8, t11="c4", t150=4)
    check(alpha.sent["2"] > asked, "the member asked for what it missed")
    check(any(m[35] == "D" and m[11] == "c2" for m in alpha.resent[resent:]), "it was asked for its orders")
    again = alpha.heard_again[again:]
    missed = [m for m in again if m[35] == "8"]
    check(len(missed) >= 4, f"the fills came again as what they were: {again}")
    check(all(m[122] <= m[52] for m in missed), f"{missed}")
    all_.quiet()
    all_.agree()


def the_node_is_killed_while_they_trade(all_):
    alpha, beta = all_.alpha, all_.beta
    alpha.order("k1", "sell", 300, "ACME", "10.05")
    alpha.answer(t35=8, t11="k1", t150=0)
    for number in range(20):
        alpha.order(f"k2{number}", "sell", 100, "ACME", "12.00")
        beta.order(f"k3{number}", "buy", 50, "BOLT", "6.00")
    beta.order("k4", "buy", 100, "ACME", "10.05")
    beta.answer(t35=8, t11="k4", t150="F")
    for number in range(20, 40):
        alpha.order(f"k2{number}", "sell", 100, "ACME", "12.00")
        beta.order(f"k3{number}", "buy", 50, "BOLT", "6.00")
    all_.node.kill()
    for member in all_.members:
        member.wait("the end of the connection", lambda m=member: not m.live)
    # What is sent now waits in the member's store.
    alpha.order("k5", "sell", 100, "ACME", "10.04")
    all_.node.start()
    for member in all_.members:
        member.log_on()
    for number in range(40):
        alpha.answer(t35=8, t11=f"k2{number}", t150=0)
        beta.answer(t35=8, t11=f"k3{number}", t150=0)
    alpha.answer(t35=8, t11="k5", t150=0)
    beta.order("k6", "buy", 200, "ACME", "10.05")
    beta.answer(t35=8, t11="k6", t39=2)
    prices = {f[1] for f in beta.fills.values()}
    check(prices >= {Decimal("10.04"), Decimal("10.05")}, f"{prices}")
    all_.quiet()
    all_.agree()


def a_kill_and_a_cut_together_lose_nothing(all_):
    """The wire is cut, the other member goes on, the node is killed, and only then the first one is back."""
    alpha, beta, wire = all_.alpha, all_.beta, all_.wires[0]
    alpha.order("m1", "sell", 300, "ACME", "10.00")
    alpha.answer(t35=8, t11="m1", t150=0)
    wire.cut()
    alpha.wait("the end of the connection", lambda: not alpha.live)
    beta.order("m2", "buy", 200, "ACME", "10.00")
    beta.answer(t35=8, t11="m2", t39="2")
    all_.node.kill()
    beta.wait("the end of the connection", lambda: not beta.live)
    all_.node.start()
    beta.log_on()
    beta.order("m3", "buy", 100, "ACME", "10.00")
    beta.answer(t35=8, t11="m3", t39="2")
    wire.mend()
    alpha.log_on()
    alpha.answer(t35=8, t11="m1", t150="F", t39=2)
    all_.quiet()
    all_.agree()


def who_logs_out_keeps_numbers_and_orders(all_):
    alpha, beta = all_.alpha, all_.beta
    alpha.order("o1", "sell", 100, "ACME", "9.95")
    alpha.answer(t35=8, t11="o1", t150=0)
    place, log_ons = alpha.place(), len(alpha.log_on_numbers)
    alpha.leave()
    check(any(m[35] == "5" for m in alpha.inbox[place:]), "a Logout is answered by one")
    beta.order("o2", "buy", 100, "ACME", "9.95")
    beta.answer(t35=8, t11="o2", t150="F")
    alpha.come_back()
    alpha.log_on()
    alpha.answer(t35=8, t11="o1", t150="F", t39=2)
    check(len(alpha.log_on_numbers) == log_ons + 1, "one log-on was enough")
    all_.quiet()
    all_.agree()


def nobody_began_anew(all_):
    all_.quiet()
    open_, trades = all_.agree()
    all_.numbers_agree()
    for member in all_.members:
        for kind in "3j":
            check(member.sent[kind] == 0, f"{member.name} sent {member.sent[kind]} messages of type {kind}")
        check(member.heard["3"] == 0, f"{member.name} was sent {member.heard['3']} rejects")
    heard = "; ".join(f"{member.name} heard {member.counts()}" for member in all_.members)
    print(f"       {open_} orders open, {trades} trades; {heard}")


def the_node_says_good_bye(all_):
    places = [member.place() for member in all_.members]
    check(all_.node.stop() == 0, "the node ends in order")
    for member, place in zip(all_.members, places):
        member.answer(place, t35=5)
    for member in all_.members:
        check(not member.wrong, "\n".join(member.wrong))


PARTS = [
    they_log_on,
    they_trade_with_each_other,
    they_replace,
    they_cancel,
    orders_are_refused_in_words,
    they_ask_for_status,
    they_ask_for_the_list_of_instruments,
    what_is_not_offered_is_refused_as_business,
    they_cancel_all_of_their_orders,
    heartbeats_keep_a_quiet_session,
    bytes_come_one_at_a_time,
    one_is_cut_while_the_other_trades,
    the_node_is_killed_while_they_trade,
    a_kill_and_a_cut_together_lose_nothing,
    who_logs_out_keeps_numbers_and_orders,
    nobody_began_anew,
    the_node_says_good_bye,
]


def main(binary, folder):
    """Runs all parts; what follows a part that failed would only fail for the same reason."""
    all_ = Exchange(binary, Path(folder))
    try:
        for part in PARTS:
            words = part.__name__.replace("_", " ").strip()
            try:
                part(all_)
            except Exception:
                traceback.print_exc(file=sys.stdout)
                print(f"FAILED {words}", flush=True)
                return 1
            print(f"ok     {words}", flush=True)
        return 0
    finally:
        all_.node.clear()


if __name__ == "__main__":
    code = main(*sys.argv[1:])
    sys.stdout.flush()
    # The engines' threads call back into the interpreter; they end with the process.
    os._exit(code)
