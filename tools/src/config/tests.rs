//! A configuration file says what is wrong in the form `FILE: key = value: why`; one line of a table per case.
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use rialto_protocol::reference::Operation;
use rialto_protocol::terms::SessionKind;

use super::*;

const EXAMPLE: &str = include_str!("../../../docs/example.toml");

/// A small whole market, to which one line is added or in which one is changed.
const MARKET: &str = r#"
currency    = [{ code = "USD", decimals = 10 }]
instrument  = [{ symbol = "ACME", tick = "0.01", lot = "1", currency = "USD" }]
participant = [{ name = "ALPHA", kind = "broker" }, { name = "BETA", kind = "institution" }]
account     = [{ name = "A1", participant = "ALPHA" }, { name = "B1", participant = "BETA" }]
session     = [{ comp_id = "ALPHA1", participant = "ALPHA", accounts = ["A1"], password = "secret" }]
deposit     = [{ id = "d1", account = "A1", asset = "USD", amount = "1000000.00" }]
"#;

fn parse(text: &str) -> Result<Config, String> {
    Config::parse("F", text, &Overrides::default()).map_err(|error| error.to_string())
}

#[track_caller]
fn wrong(text: &str, message: &str) {
    assert_eq!(parse(text).map(|_| ()), Err(format!("F: {message}")), "{text}");
}

/// `MARKET` with `from` changed to `to` is refused with `message`.
#[track_caller]
fn changed(from: &str, to: &str, message: &str) {
    assert!(MARKET.contains(from), "{from} is not in the text to change");
    wrong(&MARKET.replacen(from, to, 1), message);
}

#[test]
fn an_empty_file_is_a_lone_node_with_all_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.node.name, "n1");
    assert_eq!(config.node.cluster, "rialto");
    assert_eq!(config.node.ack, Ack::Disk);
    assert_eq!((config.node.idle, &config.node.pin), (Idle::Auto, &Pin::Auto));
    assert_eq!((config.node.segment_mib, config.node.shm_mib), (256, 32));
    assert_eq!((config.node.snapshot_every, config.node.keep_mib), (10_000_000, 65_536));
    assert_eq!(config.listen.fix.to_string(), "127.0.0.1:0");
    assert_eq!((config.listen.replication, config.listen.metrics), (None, None));
    assert_eq!(config.fix.comp_id, "RIALTO");
    assert_eq!(config.fix.sending_time_tolerance_s, 120);
    assert_eq!((config.limits.messages_per_s, config.limits.orders_open_max), (0, 1_000_000));
    assert_eq!(config.reference, Reference::default());
}

#[test]
fn the_example_in_the_documents_is_accepted() {
    let config = parse(EXAMPLE).unwrap();
    let all = &config.reference;
    assert_eq!(all.instruments[1].lot.to_string(), "0.00000001");
    assert_eq!(all.sessions[2].def.kind, SessionKind::MarketData);
    assert_eq!(all.sessions[0].accounts.len(), 2);
    assert_eq!(all.deposits[2].amount.to_string(), "12.5");
}

#[test]
fn operations_name_only_what_came_before_them() {
    let operations = parse(MARKET).unwrap().reference.operations();
    let shown: Vec<String> = operations.iter().map(|operation| format!("{operation:?}")).collect();
    let kinds: Vec<&str> = shown.iter().filter_map(|shown| shown.split('(').next()).collect();
    assert_eq!(
        kinds.join(" "),
        "Currency Instrument Participant Participant Account Account Session Grant Transfer"
    );
    let Operation::Session(session) = operations[6] else { panic!("{:?}", operations[6]) };
    assert_eq!(session.secret[..4], [0x2b, 0xb8, 0x0d, 0x53], "SHA-256 of \"secret\"");
}

#[test]
fn flags_override_the_file() {
    let flags = Overrides {
        name: Some("n7".into()),
        ack: Some(Ack::Async),
        idle: Some(Idle::Spin),
        pin: Some("0,1".parse().unwrap()),
        plaintext: true,
    };
    let text = "node = { name = \"n1\", ack = \"disk\", idle = \"park\", pin = \"off\" }\n\
                listen = { fix = \"0.0.0.0:4001\" }";
    let config = Config::parse("F", text, &flags).unwrap();
    assert_eq!(config.node.name, "n7");
    assert_eq!((config.node.ack, config.node.idle), (Ack::Async, Idle::Spin));
    assert_eq!(config.node.pin, Pin::Cores(vec![0, 1]));
    let named = Overrides { name: Some("n 7".into()), ..Overrides::default() };
    let error = Config::parse("F", "", &named).unwrap_err().to_string();
    assert!(error.starts_with("F: --name = \"n 7\": a name is made of"), "{error}");
}

#[test]
fn a_syntax_error_names_its_line() {
    wrong("node = { name = \"n1\" }\n[listen\n", "line 2: unclosed table, expected `]`");
    let twice = parse("[node]\n[fix]\n[node]\n").unwrap_err();
    assert!(twice.starts_with("F: line 3: duplicate key"), "{twice}");
}

#[test]
fn an_unknown_key_names_the_nearest_known_one() {
    wrong("nod = 1", "nod = 1: unknown key; did you mean node?");
    wrong("[node]\nidel = \"spin\"", "node.idel = \"spin\": unknown key; did you mean idle?");
    wrong(
        "[fix]\nx = 1",
        "fix.x = 1: unknown key; known are comp_id, sending_time_tolerance_s, user_defined_tags",
    );
    changed("lot =", "lots =", "instrument[ACME].lots = \"1\": unknown key; did you mean lot?");
    wrong("account = [{ naem = \"A1\" }]", "account[1].naem = \"A1\": unknown key; did you mean name?");
}

#[test]
fn a_wrong_type_is_named() {
    wrong("node = 3", "node = 3: a table is wanted, { … }");
    wrong("[node]\nname = 3", "node.name = 3: a text in quotes is wanted");
    wrong(
        "[node]\nsegment_mib = \"256\"",
        "node.segment_mib = \"256\": a whole number is wanted, without quotes",
    );
    wrong("[fix]\nuser_defined_tags = 1", "fix.user_defined_tags = 1: true or false, without quotes");
    wrong("currency = 1", "currency = 1: an array of tables is wanted, [{ … }, { … }]");
    wrong("currency = [1]", "currency = [1]: each entry of the array has to be a table, { … }");
    changed(
        "\"0.01\"",
        "0.01",
        "instrument[ACME].tick = 0.01: a decimal is written in quotes, so that it stays exact",
    );
    changed("[\"A1\"]", "[1]", "session[ALPHA1].accounts = [1]: an array of texts is wanted, [\"…\", \"…\"]");
}

#[test]
fn node_settings_are_checked() {
    wrong("[node]\nname = \"\"", "node.name = \"\": a name may not be empty");
    wrong("[node]\nack = \"fast\"", "node.ack = \"fast\": one of async, disk, ram, disk+ram, disk+disk");
    wrong(
        "[node]\nack = \"ram\"",
        "node.ack = \"ram\": this policy waits for a standby, and listen.replication is off",
    );
    wrong("[node]\nidle = \"nap\"", "node.idle = \"nap\": one of auto, spin, yield, park");
    wrong("[node]\npin = \"0,x\"", "node.pin = \"0,x\": auto, off, or core numbers such as 0,1");
    wrong("[node]\npin = \"1,1\"", "node.pin = \"1,1\": core 1 is named twice");
    wrong("[node]\nsegment_mib = 0", "node.segment_mib = 0: a whole number from 1 to 65536");
    wrong(
        "[node]\narchive = [\"\"]",
        "node.archive = [\"\"]: [\"PROGRAM\", \"ARGUMENT\", …] is wanted; the file's path is added as the last argument",
    );
    wrong("[node]\narchive = \"cp\"", "node.archive = \"cp\": an array of texts is wanted, [\"…\", \"…\"]");
    wrong("[node]\nshm_mib = -1", "node.shm_mib = -1: a whole number from 4 to 65536");
    wrong(
        "[fix]\nsending_time_tolerance_s = 121",
        "fix.sending_time_tolerance_s = 121: a whole number from 1 to 120",
    );
    wrong("[limits]\nmessages_per_s = -5", "limits.messages_per_s = -5: a whole number from 0 to 4294967295");
}

#[test]
fn listeners_are_checked() {
    wrong(
        "[listen]\nfix = \"here\"",
        "listen.fix = \"here\": ADDRESS:PORT is wanted, such as 127.0.0.1:4001; port 0 is any free port",
    );
    wrong(
        "[listen]\nmetrics = \"127.0.0.1:70000\"",
        "listen.metrics = \"127.0.0.1:70000\": ADDRESS:PORT is wanted, such as 127.0.0.1:4001; port 0 is any free \
         port, or off",
    );
    wrong(
        "[listen]\nfix = \"0.0.0.0:4001\"",
        "listen.fix = \"0.0.0.0:4001\": not a loopback address; FIX passwords would cross the network readable: \
         listen on 127.0.0.1, or start with --plaintext",
    );
    wrong(
        "[listen]\nmetrics = \"0.0.0.0:9101\"",
        "listen.metrics = \"0.0.0.0:9101\": metrics are served on a loopback address only",
    );
    wrong(
        "[listen]\nfix = \"127.0.0.1:4001\"\nmetrics = \"localhost:4001\"",
        "listen.metrics = \"localhost:4001\": another listener has the same address and port",
    );
    assert_eq!(parse("[listen]\nfix = \"[::1]:0\"\nmetrics = \"127.0.0.1:0\"").map(|_| ()), Ok(()));
}

#[test]
fn cluster_settings_are_checked() {
    wrong(
        "[listen]\nreplication = \"127.0.0.1:0\"",
        "cluster.key_file = (absent): missing; listen.replication is on and needs a key",
    );
    wrong("[cluster]\npeers = [\"n1\"]", "cluster.peers = [\"n1\"]: n1: NAME=HOST:PORT is wanted");
    wrong(
        "[cluster]\npeers = [\"n1=h:1\", \"n1=h:2\"]",
        "cluster.peers = [\"n1=h:1\", \"n1=h:2\"]: n1=h:2: this node is named twice",
    );
    wrong(
        "[cluster]\npeers = [\"n1=h:0\"]",
        "cluster.peers = [\"n1=h:0\"]: n1=h:0: HOST:PORT is wanted, such as 127.0.0.1:4001",
    );
    wrong(
        "[cluster]\ncoordinator = \"zk://h:1\"",
        "cluster.coordinator = \"zk://h:1\": etcd://HOST:PORT,… is wanted, or nothing",
    );
    let config = parse("[cluster]\npeers = [\"n2=[::1]:5\"]\ncoordinator = \"etcd://a:1,b:2\"").unwrap();
    assert_eq!(config.cluster.peers[0].address.to_string(), "[::1]:5");
    assert_eq!(config.cluster.coordinator.len(), 2);
}

#[test]
fn a_cluster_key_is_32_bytes_that_only_their_owner_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let shown = path.display();
    let text = format!("[listen]\nreplication = \"127.0.0.1:0\"\n[cluster]\nkey_file = \"{shown}\"");
    let set = |key: &str, mode| {
        std::fs::write(&path, key).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        parse(&text)
    };
    let why = |result: Result<Config, String>| {
        let message = result.unwrap_err();
        message.rsplit_once("\": ").expect("the value stands in quotes").1.to_owned()
    };
    assert_eq!(why(parse(&text)), "No such file or directory (os error 2)");
    let key = "0123456789abcdef".repeat(4);
    assert_eq!(why(set(&key, 0o644)), "mode is 0644; a key is its owner's alone: chmod 600");
    assert_eq!(why(set("00", 0o600)), "the file has to hold 32 bytes as 64 hexadecimal digits");
    assert_eq!(set(&key, 0o600).unwrap().node.ack, Ack::DiskRam);
}

#[test]
fn instruments_are_checked() {
    changed("decimals = 10", "decimals = 19", "currency[USD].decimals = 19: a whole number from 0 to 18");
    changed("symbol = \"ACME\"", "symbol = \"USD\"", "instrument[USD].symbol = \"USD\": declared twice");
    changed(
        "currency = \"USD\"",
        "currency = \"EUR\"",
        "instrument[ACME].currency = \"EUR\": no currency EUR is declared",
    );
    changed("tick = \"0.01\", ", "", "instrument[ACME].tick = (absent): missing");
    changed("\"0.01\"", "\"0\"", "instrument[ACME].tick = \"0\": has to be above 0");
    changed("\"0.01\"", "\"-1\"", "instrument[ACME].tick = \"-1\": has to be above 0");
    changed(
        "lot = \"1\"",
        "lot = \"0.000000005\"",
        "instrument[ACME].tick = \"0.01\": tick × lot (0.01 × 0.000000005) has to be a whole number of \
         0.0000000001 USD",
    );
    changed(
        "lot = \"1\"",
        "lot = \"1000000000000\"",
        "instrument[ACME].tick = \"0.01\": tick × lot is too large",
    );
    changed(
        "lot = \"1\"",
        "lot = \"1\", taker_fee_ppm = 1000001",
        "instrument[ACME].taker_fee_ppm = 1000001: a whole number from 0 to 1000000",
    );
    changed(
        "lot = \"1\"",
        "lot = \"1\", maker_fee_ppm = -1",
        "instrument[ACME].maker_fee_ppm = -1: a whole number from 0 to 1000000",
    );
    changed(
        "lot = \"1\"",
        "lot = \"1\", replace = \"keep\"",
        "instrument[ACME].replace = \"keep\": one of keep-on-decrease, requeue",
    );
    changed("\"0.01\"", "\"1e-2\"", "instrument[ACME].tick = \"1e-2\": not a decimal number, such as 0.01");
    changed(
        "ACME",
        "A23456789B1234567",
        "instrument[A23456789B1234567].symbol = \"A23456789B1234567\": too long",
    );
    assert!(parse(&MARKET.replace("lot = \"1\"", "lot = \"0.00000001\"")).is_ok());
}

#[test]
fn members_are_checked() {
    changed(
        "kind = \"broker\"",
        "kind = \"bank\"",
        "participant[ALPHA].kind = \"bank\": one of broker, institution, operator",
    );
    changed(
        ", kind = \"broker\"",
        "",
        "participant[ALPHA].kind = (absent): missing; one of broker, institution, operator",
    );
    changed(
        "kind = \"broker\"",
        "kind = \"broker\", self_trade = \"no\"",
        "participant[ALPHA].self_trade = \"no\": one of off, cancel-newest, cancel-oldest, cancel-both",
    );
    changed("\"BETA\", kind", "\"ALPHA\", kind", "participant[ALPHA].name = \"ALPHA\": declared twice");
    changed(
        "\"A1\", participant = \"ALPHA\"",
        "\"A1\", participant = \"GAMMA\"",
        "account[A1].participant = \"GAMMA\": no such participant is declared",
    );
    changed("name = \"B1\"", "name = \"A1\"", "account[A1].name = \"A1\": declared twice");
    changed(
        "name = \"B1\"",
        "name = \"B|1\"",
        "account[B|1].name = \"B|1\": a name is made of letters, digits, '-', '_' and '.', and starts with a letter \
         or digit",
    );
    changed(
        "name = \"B1\"",
        "name = \"B12345678901234567890123456789012\"",
        "account[B12345678901234567890123456789012].name = \"B12345678901234567890123456789012\": a name has at most 32 characters",
    );
}

#[test]
fn sessions_are_checked() {
    changed("[\"A1\"]", "[\"A2\"]", "session[ALPHA1].accounts = [\"A2\"]: A2: no such account is declared");
    changed("[\"A1\"]", "[\"B1\"]", "session[ALPHA1].accounts = [\"B1\"]: B1: this account belongs to BETA");
    changed("[\"A1\"]", "[\"A1\", \"A1\"]", "session[ALPHA1].accounts = [\"A1\", \"A1\"]: A1: named twice");
    changed("[\"A1\"]", "[]", "session[ALPHA1].accounts = []: a trading session needs at least one account");
    changed(
        "password = \"secret\"",
        "kind = \"drop\", password = \"secret\"",
        "session[ALPHA1].kind = \"drop\": one of trading, market-data",
    );
    changed(
        "password = \"secret\"",
        "kind = \"market-data\", cancel_on_disconnect = true, password = \"secret\"",
        "session[ALPHA1].cancel_on_disconnect = true: a market-data session has no orders to cancel",
    );
    changed(", password = \"secret\"", "", "session[ALPHA1].password = (absent): missing");
}

#[test]
fn a_password_is_never_part_of_a_message() {
    let why = "a password has 1 to 64 printable ASCII characters, no space and no '|'";
    changed("\"secret\"", "\"hush hush\"", &format!("session[ALPHA1].password = …: {why}"));
    for text in [
        MARKET.replace("password =", "pasword ="),
        MARKET.replace("password = \"secret\"", "pass_word = \"secret\""),
        MARKET.replace("session     = [{", "session     = [1, {"),
        MARKET.replace("session     = [{", "session_s   = [{"),
        MARKET.replace("\"secret\"", "[\"secret\"]"),
    ] {
        let message = parse(&text).unwrap_err();
        assert!(!message.contains("secret") && !message.contains("hush"), "{message}");
    }
    let shown = format!("{:?}", parse(MARKET).unwrap());
    assert!(!shown.contains("\"secret\""), "{shown}");
}

#[test]
fn deposits_are_checked() {
    changed(
        "account = \"A1\"",
        "account = \"A9\"",
        "deposit[d1].account = \"A9\": no such account is declared",
    );
    changed(
        "asset = \"USD\"",
        "asset = \"EUR\"",
        "deposit[d1].asset = \"EUR\": no currency or instrument of this name is declared",
    );
    changed(
        "\"1000000.00\"",
        "\"0.00000000001\"",
        "deposit[d1].amount = \"0.00000000001\": USD has 10 digits behind the point",
    );
    changed("\"1000000.00\"", "\"0.00\"", "deposit[d1].amount = \"0.00\": has to be above 0");
    changed(
        "asset = \"USD\", amount = \"1000000.00\"",
        "asset = \"ACME\", amount = \"1.5\"",
        "deposit[d1].amount = \"1.5\": has to be a whole number of lots of 1, and less than 2^63",
    );
    changed(
        "deposit     = [",
        "deposit     = [{ id = \"d1\", account = \"A1\", asset = \"USD\", amount = \"1\" }, ",
        "deposit[d1].id = \"d1\": two deposits have this id; an id counts once",
    );
}

proptest! {
    #[test]
    fn any_text_is_accepted_or_refused_in_one_line(text in "\\PC{0,200}") {
        if let Err(message) = parse(&text) {
            prop_assert_eq!(message.lines().count(), 1, "{}", message);
        }
    }

    #[test]
    fn a_damaged_example_is_accepted_or_refused_in_one_line(
        at in 0..EXAMPLE.len(),
        length in 0_usize..30,
        put in "[\\x20-\\x7e\\n]{0,12}",
    ) {
        let floor = |at: usize| (0..=at.min(EXAMPLE.len())).rev().find(|at| EXAMPLE.is_char_boundary(*at)).unwrap();
        let (from, to) = (floor(at), floor(at + length));
        let text = format!("{}{put}{}", &EXAMPLE[..from], &EXAMPLE[to..]);
        if let Err(message) = parse(&text) {
            prop_assert!(message.starts_with("F: "));
            prop_assert_eq!(message.lines().count(), 1, "{}", message);
        }
    }
}
