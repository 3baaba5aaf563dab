"""A member of the exchange: a stock FIX engine with its own validation on, and what the member believes of its orders.

What it believes comes from execution reports alone, so that it can be held against what the exchange says of itself."""

import threading
from collections import Counter
from decimal import Decimal
from pathlib import Path

import quickfix as fix

SECONDS = 20
SIDES = {"1": "buy", "2": "sell"}
CLOSED = "2348C"
SETTINGS = """
[DEFAULT]
ConnectionType=initiator
BeginString=FIX.4.4
StartTime=00:00:00
EndTime=00:00:00
NonStopSession=Y
ReconnectInterval=1
LogonTimeout=10
LogoutTimeout=5
FileStorePath={folder}/store
FileLogPath={folder}/log
PersistMessages=Y
ResetOnLogon=N
ResetOnLogout=N
ResetOnDisconnect=N
UseDataDictionary=Y
DataDictionary={dictionary}
ValidateFieldsOutOfOrder=Y
ValidateFieldsHaveValues=Y
ValidateUserDefinedFields=Y
AllowUnknownMsgFields=N
CheckLatency=Y
CheckCompID=Y
SocketNodelay=Y

[SESSION]
SenderCompID={name}
TargetCompID=RIALTO
{places}
HeartBtInt={heartbeat}
TimestampPrecision={precision}
"""


def places(addresses):
    """Where the engine connects: the first address, and those that it goes on to when a connection ends."""
    lines = []
    for number, (host, port) in enumerate(addresses):
        which = number or ""
        lines += [f"SocketConnectHost{which}={host}", f"SocketConnectPort{which}={port}"]
    return "\n".join(lines)


class Failed(Exception):
    """What was expected did not come."""


class Application(fix.Application):
    """What the engine calls; it hands everything to its member."""

    def __init__(self, member):
        super().__init__()
        self.member = member

    def onCreate(self, session_id):
        self.member.session_id = fix.SessionID("FIX.4.4", self.member.name, "RIALTO")

    def onLogon(self, _):
        self.member.note(live=True)

    def onLogout(self, _):
        self.member.note(live=False)

    def toAdmin(self, message, _):
        if message.getHeader().getField(35) == "A":
            message.setField(fix.StringField(553, self.member.name))
            message.setField(fix.StringField(554, self.member.password))
        self.member.sent_one(message)

    def toApp(self, message, _):
        self.member.sent_one(message)

    def fromAdmin(self, message, _):
        self.member.heard_one(message)

    def fromApp(self, message, _):
        self.member.heard_one(message)


def fields_of(message):
    """What a member looks at, by tag."""
    pairs = message.toString().split("\x01")
    return dict((int(tag), text) for tag, text in (pair.split("=", 1) for pair in pairs if pair))


class Member:
    """One member, its engine and its orders."""

    def __init__(self, name, password, folder, addresses, dictionary, heartbeat=1, precision=3):
        self.name, self.password = name, password
        self.changed = threading.Condition()
        self.live = False
        self.inbox = []
        self.sent, self.heard = Counter(), Counter()
        self.resent, self.heard_again, self.log_on_numbers = [], [], []
        self.orders, self.fills, self.execs = {}, {}, set()
        self.wrong = []
        self.folder = Path(folder) / name
        self.folder.mkdir()
        file = self.folder / "session.cfg"
        file.write_text(
            SETTINGS.format(
                folder=self.folder,
                name=name,
                places=places(addresses),
                dictionary=dictionary,
                heartbeat=heartbeat,
                precision=precision,
            )
        )
        settings = fix.SessionSettings(str(file))
        self.application = Application(self)
        self.session_id = None
        self.store, self.log = fix.FileStoreFactory(settings), fix.FileLogFactory(settings)
        self.engine = fix.SocketInitiator(self.application, self.store, settings, self.log)

    # What the engine says, on its threads.

    def note(self, live):
        with self.changed:
            self.live = live
            self.changed.notify_all()

    def sent_one(self, message):
        fields = fields_of(message)
        kind = fields[35]
        with self.changed:
            self.sent[kind] += 1
            if kind in "3j":
                self.wrong.append(f"{self.name} refuses what the exchange sent: {fields}")
            if kind == "A":
                self.log_on_numbers.append(int(fields[34]))
                if fields.get(141) == "Y":
                    self.wrong.append(f"{self.name} begins anew: {fields}")
            if fields.get(43) == "Y":
                self.resent.append(fields)
            self.changed.notify_all()

    def heard_one(self, message):
        fields = fields_of(message)
        with self.changed:
            self.take(fields)
            self.changed.notify_all()

    def take(self, fields):
        """Takes down what was heard."""
        self.heard[fields[35]] += 1
        if fields[35] == "A" and fields.get(141) == "Y":
            self.wrong.append(f"the exchange begins anew: {fields}")
        if fields.get(43) == "Y":
            self.heard_again.append(fields)
        if fields[35] == "8":
            self.report(fields)
        self.inbox.append(fields)

    def report(self, fields):
        """Believes an execution report, if it holds together."""
        if fields[150] == "I" or fields[37] == "NONE":
            return
        quantity, open_, filled = (Decimal(fields[tag]) for tag in (38, 151, 14))
        closed = fields[39] in CLOSED
        if fields[17] in self.execs:
            self.wrong.append(f"{self.name} hears execution {fields[17]} twice")
        if (open_ != 0) if closed else (152 not in fields and open_ + filled != quantity):
            self.wrong.append(f"{self.name}: quantities of {fields} do not add up")
        self.execs.add(fields[17])
        order = {
            "order": int(fields[37]),
            "cl_ord_id": fields[11],
            "session": self.name,
            "account": fields[1],
            "symbol": fields[55],
            "side": SIDES[fields[54]],
            "price": Decimal(fields.get(44, "0")),
            "quantity": quantity,
            "open": open_,
        }
        if fields[150] == "F":
            self.fills[int(fields[527]), int(fields[37])] = (
                fields[55],
                Decimal(fields[31]),
                Decimal(fields[32]),
                SIDES[fields[54]],
                int(fields[37]),
            )
        self.orders.pop(order["order"], None)
        if not closed:
            self.orders[order["order"]] = order

    # What a scenario does.

    def start(self):
        self.engine.start()
        return self

    def wait(self, what, condition):
        """Waits until the condition holds."""
        with self.changed:
            if not self.changed.wait_for(condition, SECONDS):
                last = "\n  ".join(str(fields) for fields in self.inbox[-6:])
                raise Failed(f"{self.name}: {what} did not come in {SECONDS} s; heard last:\n  {last}")

    def log_on(self):
        self.wait("log-on", lambda: self.live)

    def leave(self):
        """Logs out, and waits until that is done."""
        fix.Session.lookupSession(self.session_id).logout()
        self.wait("log-out", lambda: not self.live)

    def come_back(self):
        """Logs on again."""
        fix.Session.lookupSession(self.session_id).logon()

    def send(self, kind, fields):
        """Sends a message; the engine gives it header, number and store."""
        message = fix.Message()
        message.getHeader().setField(fix.StringField(35, kind))
        for tag, text in fields.items():
            message.setField(fix.StringField(tag, str(text)))
        if kind in ("D", "F", "G", "q"):
            message.setField(fix.TransactTime())
        fix.Session.sendToTarget(message, self.session_id)

    def answer(self, since=0, **wanted):
        """The first message heard from place `since` on with these fields (t35="8" is tag 35)."""
        wanted = {int(tag[1:]): str(text) for tag, text in wanted.items()}

        def found():
            matches = (m for m in self.inbox[since:] if all(m.get(t) == x for t, x in wanted.items()))
            return next(matches, None)

        self.wait(f"a message with {wanted}", lambda: found() is not None)
        with self.changed:
            return found()

    def order(self, name, side, quantity, symbol, price, **more):
        """A limit order, or a market order without a price."""
        fields = {11: name, 55: symbol, 54: {"buy": 1, "sell": 2}[side], 38: quantity, 40: 2 if price else 1, 21: 1}
        if price:
            fields[44] = price
        fields.update({int(tag[1:]): text for tag, text in more.items()})
        self.send("D", fields)

    def counts(self):
        """How many messages of each type it heard."""
        return " ".join(f"{kind}:{count}" for kind, count in sorted(self.heard.items()))

    def place(self):
        """Where the inbox ends now."""
        with self.changed:
            return len(self.inbox)

    def numbers(self):
        """The next numbers out and in, as the engine keeps them."""
        session = fix.Session.lookupSession(self.session_id)
        return session.getExpectedSenderNum(), session.getExpectedTargetNum()
