"""What went over a member's connections, as its engine wrote it down before it did anything with it: a second opinion, for
an engine drops what it has heard before and says nothing."""

from member import Failed

# What may differ when a message is sent again: length, checksum, the mark, and times of sending.
PASSING = {"9", "10", "43", "52", "122"}
SESSION_LAYER = set("012345A")


class WireLog:
    """The log of one member's engine; `read` goes on where it was."""

    def __init__(self, file, name):
        self.file, self.name = file, name
        self.place = 0
        self.sent_last, self.heard_last = 0, 0
        # What each number of the exchange stands for, None for what is of the session alone, and each report's number.
        self.told, self.execs = {}, {}
        self.again = 0

    def read(self):
        """Reads what is new, and fails where either side broke a rule."""
        with open(self.file, "rb") as log:
            log.seek(self.place)
            text = log.read()
        text = text[: text.rfind(b"\n") + 1]
        self.place += len(text)
        self.take(text.decode().splitlines())

    def take(self, lines):
        """Reads these lines."""
        for line in lines:
            _, _, message = line.partition(" : ")
            fields = dict(field.split("=", 1) for field in message.split("\x01") if field)
            wrong = self.sent(fields) if fields["49"] == self.name else self.heard(fields)
            if fields.get("141") == "Y" or (fields["35"] == "4" and fields.get("123") != "Y"):
                wrong = "numbers are reset"
            if wrong:
                raise Failed(f"{self.name}, on the wire: {wrong}: {line}")
        missing = set(range(1, self.heard_last + 1)) - set(self.told)
        if missing:
            raise Failed(f"{self.name}: never told: {sorted(missing)}")

    def sent(self, fields):
        if fields.get("43") == "Y":
            return None
        number, before = int(fields["34"]), self.sent_last
        self.sent_last = number
        return None if number > before else f"sent {number} after {before}"

    def heard(self, fields):
        number, kind = int(fields["34"]), fields["35"]
        if fields.get("43") == "Y":
            return self.heard_again(number, fields)
        due, self.heard_last = self.heard_last + 1, number
        # What was lost on the way comes behind the log-on that tells of it.
        if number < due or (number > due and kind != "A"):
            return f"{number} where {due} was due"
        return self.first(number, fields)

    def heard_again(self, number, fields):
        is_fill = fields["35"] == "4"
        until = int(fields["36"]) if is_fill else number + 1
        if not number < until <= self.heard_last + 1:
            return f"sent again beyond {self.heard_last}"
        for number in range(number, until):
            if number not in self.told:
                wrong = self.first(number, fields)
            else:
                wrong = None if self.told[number] == lasting(fields) else f"{number} stood for {self.told[number]}"
                self.again += 1
            if wrong:
                return wrong
        return None

    def first(self, number, fields):
        self.told[number] = lasting(fields)
        if fields["35"] != "8" or fields.get("150") == "I":
            return None
        if self.execs.setdefault(fields["17"], number) != number:
            return f"execution {fields['17']} was told under {self.execs[fields['17']]} too"
        return None


def lasting(fields):
    """What a message says for ever; None of the session layer."""
    if fields["35"] in SESSION_LAYER:
        return None
    return {tag: text for tag, text in fields.items() if tag not in PASSING}


def planted_faults_are_found(file, name):
    """What is taken out of the first lines of a log, or put into them, is found."""
    with open(file, "rb") as log:
        lines = log.read(50_000).decode().splitlines()[:-1]
    # Those of the first connection: one log-on and its answer.
    log_ons = [place for place, line in enumerate(lines) if "\x0135=A\x01" in line]
    lines = lines[: log_ons[2]] if len(log_ons) > 2 else lines
    WireLog(file, name).take(lines)
    report = next(line for line in lines if "\x0135=8\x01" in line)
    place = lines.index(report)
    faults = {
        "a report less": lines[:place] + lines[place + 1 :],
        "a report twice": lines[:place] + [report] + lines[place:],
        "another report under its number": lines + [again(report).replace("\x0155=", "\x0155=X")],
        "its number is a gap now": lines + [again(report).replace("\x0135=8\x01", "\x0135=4\x01123=Y\x0136=3\x01")],
        "a log-on that begins anew": [lines[0].replace("\x0198=0", "\x01141=Y\x0198=0")] + lines[1:],
    }
    for what, faulty in faults.items():
        try:
            WireLog(file, name).take(faulty)
        except Failed:
            continue
        raise Failed(f"not found on the wire: {what}")


def again(line):
    """The same message, sent again."""
    return line.replace("\x0149=", "\x0143=Y\x0149=", 1)
