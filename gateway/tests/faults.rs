//! What is wrong with a client's message, as a Reject tells it: RefTagID and SessionRejectReason.

use proptest::prelude::*;
use rialto_gateway::fix::frame::{Framed, Framer};
use rialto_gateway::fix::validate::{Checks, Fault, Reason, UserDefined, Wire, inbound};
use rialto_gateway::line::decode::{Line, Reader};

const FIX: Checks = Checks { wire: Wire::Fix, user_defined: UserDefined::Refused };
const HEADER: &str = "34=2|49=TW44|52=20260301-00:00:00.000|56=ISLD|";
const ORDER: &str = "11=ID|21=1|40=1|54=1|38=200|55=INTC|60=20260301-00:00:00|";

fn framed(body: &str) -> Vec<u8> {
    let body = body.replace('|', "\x01");
    let mut bytes = format!("8=FIX.4.4\x019={}\x01{body}", body.len()).into_bytes();
    let sum = bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>() % 256;
    bytes.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    bytes
}

fn answer_with(body: &str, checks: Checks) -> String {
    let bytes = framed(body);
    let mut framer = Framer::default();
    let Framed::Message { message, .. } = framer.next(&bytes) else { panic!("{body} is garbled") };
    match inbound(&message, checks) {
        Ok(_) => "ok".to_owned(),
        Err(Fault::Unsupported) => "unsupported".to_owned(),
        Err(Fault::Reject { ref_tag, reason }) => {
            let tag = ref_tag.map_or("-".to_owned(), |tag| tag.to_string());
            format!("{tag} {}", reason.code())
        }
    }
}

/// `RefTagID reason`, `unsupported` or `ok`.
fn check(body: &str, expected: &str) {
    assert_eq!(answer_with(body, FIX), expected, "{body}");
}

fn check_order(more: &str, expected: &str) {
    check(&format!("35=D|{HEADER}{ORDER}{more}"), expected);
}

#[test]
fn sound_messages_pass() {
    check_order("", "ok");
    check("35=D|49=TW44|34=3|56=ISLD|52=20260301-00:00:00|40=1|55=A|60=20260301-00:00:00|54=1|11=i|", "ok");
    for body in [
        "35=0|{}",
        "35=0|{}112=x|",
        "35=1|{}112=x|",
        "35=2|{}7=1|16=0|",
        "35=3|{}45=1|371=0|372=D|373=5|58=x|",
        "35=4|{}123=Y|36=9|",
        "35=5|{}58=bye|",
        "35=A|{}98=0|108=30|141=Y|553=u|554=p|789=5|464=N|384=1|372=D|385=S|",
        "35=A|{}98=0|108=30|95=3|96=a|b|",
        "35=F|{}11=c|41=a|55=X|54=1|60=20260301-00:00:00|",
        "35=G|{}11=c|41=a|55=X|54=1|60=20260301-00:00:00|40=2|44=1|38=5|",
        "35=H|{}11=c|55=X|54=1|790=q|",
        "35=AF|{}584=m|585=7|",
        "35=q|{}11=c|530=7|60=20260301-00:00:00|",
        "35=x|{}320=r|559=4|",
        "35=e|{}324=r|55=X|263=1|",
        "35=g|{}335=r|263=0|",
        "35=V|{}262=r|263=1|264=0|265=1|267=2|269=0|269=1|146=2|55=A|55=B|",
    ] {
        check(&body.replace("{}", HEADER), "ok");
    }
}

#[test]
fn types_are_invalid_unsupported_or_checked() {
    check(&format!("35=*|{HEADER}"), "- 11");
    check(&format!("35=U1|{HEADER}"), "- 11");
    check(&format!("35=ZZ|{HEADER}"), "- 11");
    check(&format!("35=|{HEADER}"), "35 4");
    check(&format!("35=8|{HEADER}37=id|17=id|150=0|39=0|55=X|54=1|151=100|14=0|6=0.0|"), "unsupported");
    for msg_type in ["6", "7", "B", "C", "E", "R", "S", "i", "s", "AA", "AD", "BH", "d", "y", "W", "j"] {
        check(&format!("35={msg_type}|{HEADER}"), "unsupported");
    }
}

#[test]
fn tags_are_invalid_or_not_defined_for_the_type() {
    for tag in ["999", "0", "-1", "5000", "9999", "10000", "123456789", "957", "20", "109"] {
        check(&format!("35=0|{HEADER}{tag}=HI|"), &format!("{tag} 0"));
    }
    check(&format!("35=0|{HEADER}55=MSFT|"), "55 2");
    check_order("41=x|", "41 2");
    check_order("448=x|", "448 2");
    check(&format!("35=F|{HEADER}11=c|41=a|55=X|54=1|60=20260301-00:00:00|44=1|"), "44 2");
}

#[test]
fn required_fields_must_be_there() {
    check("35=0|34=2|49=TW44|52=20260301-00:00:00|", "56 1");
    check("35=0|34=2|49=TW44|56=ISLD|", "52 1");
    check("35=0|49=TW44|52=20260301-00:00:00|56=ISLD|", "34 1");
    for tag in ["11", "40", "54", "55", "60"] {
        let order = ORDER
            .split_inclusive('|')
            .filter(|field| !field.starts_with(&format!("{tag}=")))
            .collect::<String>();
        check(&format!("35=D|{HEADER}{order}"), &format!("{tag} 1"));
    }
    check(&format!("35=1|{HEADER}"), "112 1");
    check(&format!("35=4|{HEADER}123=Y|"), "36 1");
    check(&format!("35=A|{HEADER}98=0|"), "108 1");
}

#[test]
fn empty_repeated_and_misplaced_fields_are_told_apart() {
    check("35=0|34=2|49=TW44|52=20260301-00:00:00|56=|", "56 4");
    check_order("58=|", "58 4");
    check_order("40=2|", "40 13");
    check(&format!("35=0|{HEADER}34=2|"), "34 13");
    check(&format!("35=D|{ORDER}{HEADER}"), "34 14");
    check(&format!("35=D|55=MSFT|{HEADER}"), "34 14");
    check(&format!("35=0|{HEADER}35=0|"), "35 13");
    check(&format!("35=0|{HEADER}93=1|89=x|112=x|"), "112 14");
    check(&format!("35=0|{HEADER}10=123|"), "10 13");
    check(&format!("35=0|{HEADER}8=FIX.4.4|"), "8 13");
}

#[test]
fn groups_have_the_entries_that_they_say() {
    for (group, expected) in [
        ("386=2|336=PRE-OPEN|336=AFTER-HOURS|", "ok"),
        ("386=3|336=PRE-OPEN|336=AFTER-HOURS|", "386 16"),
        ("386=1|336=PRE-OPEN|336=AFTER-HOURS|", "386 16"),
        ("386=0|", "ok"),
        ("386=0|336=X|", "386 16"),
        ("386=1|", "386 16"),
        ("386=x|", "386 6"),
        ("386=-1|", "386 6"),
        ("386=1|625=1|336=X|", "625 15"),
        ("386=1|336=X|625=1|625=2|", "625 13"),
        ("386=1|336=|", "336 4"),
        ("386=17|336=X|", "386 5"),
        ("386=99999999999|336=X|", "386 6"),
        ("386=1|336=X|386=1|336=X|", "386 13"),
        ("453=1|448=P|447=D|452=3|", "ok"),
        ("453=2|448=P|447=D|452=3|448=Q|447=D|452=4|", "ok"),
        ("453=1|447=D|448=P|452=3|", "447 15"),
        ("453=1|448=P|447=!|", "447 5"),
        ("453=1|448=P|452=x|", "452 6"),
        ("453=1|448=P|802=2|523=a|803=1|523=b|803=1|447=D|", "ok"),
        ("453=1|448=P|802=1|523=a|523=b|", "802 16"),
        ("453=1|448=P|802=1|447=D|", "802 16"),
        ("453=1|448=P|447=D|999=x|", "999 0"),
        ("453=1|448=P|447=D|41=x|", "41 2"),
        ("78=1|79=A|539=1|524=N|804=1|545=s|805=1|80=5|", "ok"),
    ] {
        check_order(group, expected);
    }
    check("35=0|34=2|49=TW44|52=20260301-00:00:00|56=ISLD|627=1|628=H|112=x|", "ok");
    check("35=0|34=2|49=TW44|52=20260301-00:00:00|56=ISLD|627=2|628=H|112=x|", "627 16");
}

#[test]
fn user_defined_fields_pass_where_allowed() {
    let allowed = Checks { user_defined: UserDefined::Allowed, ..FIX };
    let order = |more: &str| answer_with(&format!("35=D|{HEADER}{ORDER}{more}"), allowed);
    assert_eq!(order("5001=x|99999=y|"), "ok");
    assert_eq!(order("5001=|"), "5001 4");
    assert_eq!(order("5001=x|5001=y|"), "5001 13");
    assert_eq!(order("100000=x|"), "100000 0");
    assert_eq!(order("4999=x|"), "4999 0");
    assert_eq!(answer_with(&format!("35=0|5001=x|{HEADER}"), allowed), "34 14");
}

/// A value of the wrong type, or of the right type and not among the field's own.
#[test]
fn a_bad_value_in_any_field_of_an_order_is_found_there() {
    let text = ["1", "11", "48", "55", "58", "70", "100", "117", "200", "207", "526", "583"];
    let decimals = [
        "38", "44", "99", "110", "111", "140", "152", "210", "192", "640", "202", "223", "516", "12", "211",
        "389", "849",
    ];
    let numbers =
        ["203", "427", "423", "460", "581", "582", "660", "775", "788", "836", "842", "847", "854", "875"];
    let single = [
        "13", "21", "40", "54", "59", "63", "77", "81", "388", "468", "480", "481", "497", "528", "544",
        "589", "590", "591", "206",
    ];
    let days = ["64", "75", "193", "229", "432", "541", "873", "915"];
    let times = ["60", "126", "168"];
    let booleans = ["114", "121", "377"];
    let replaced = |tag: &str, value: &str| {
        let rest = ORDER.split_inclusive('|').filter(|field| !field.starts_with(&format!("{tag}=")));
        format!("35=D|{HEADER}{}{tag}={value}|", rest.collect::<String>())
    };
    let refuse = |tags: &[&str], values: &[&str], reason: u8| {
        for (tag, value) in tags.iter().flat_map(|tag| values.iter().map(move |value| (tag, value))) {
            check(&replaced(tag, value), &format!("{tag} {reason}"));
        }
    };
    refuse(&text, &["\u{e9}", "a\tb", "\u{7f}"], 6);
    refuse(&decimals, &["+1", "1e9", "1E-5", "NaN", "inf", "1,5", "1.2.3", ".", "-", " 1", "0x1", "--1"], 6);
    refuse(&numbers, &["+1", "1.0", "x", "-", "1 ", "9999999999999999999"], 6);
    refuse(&numbers, &["-1", "123456"], 5);
    refuse(&single, &["12", " ", "\u{e9}"], 6);
    refuse(&single[..18], &["!", "z", "~"], 5);
    refuse(&["18", "529"], &["1  2", "12", " 1", "1 "], 6);
    refuse(&["18"], &["1 !", "~"], 5);
    refuse(&days, &["20260229", "2026-03-01", "202603", "20260301-00:00:00"], 6);
    refuse(&times, &["20260301", "20260301-25:00:00", "20260301-00:00:00.", "x"], 6);
    refuse(&booleans, &["y", "1", "YES"], 6);
    refuse(&["167"], &["BOO"], 5);
    refuse(&["235", "635"], &["BOO"], 5);
    refuse(&["22"], &["0", "K"], 5);
}

#[test]
fn values_at_the_edges_pass() {
    for more in [
        "167=CS|",
        "22=8|48=x|",
        "18=6|",
        "18=6 G|",
        "200=202603|",
        "461=ESXXXX|",
        "44=-1.5|",
        "44=.5|",
        "99=5.|",
        "110=002000.00|",
        "200=20260331|",
        "200=202603w2|",
        "432=20260301|",
        "126=20260301-00:00:00.123456789|",
        "59=7|",
        "528=P|529=1 A|",
        "581=8|",
        "660=99|",
    ] {
        check_order(more, "ok");
    }
}

#[test]
fn reasons_have_the_specifications_words() {
    assert_eq!(Reason::TagNotDefined.words(), "Tag not defined for this message type");
    assert_eq!((Reason::SendingTimeAccuracy.code(), Reason::CompIdProblem.code()), (10, 9));
}

fn line(text: &str) -> Option<(Option<i32>, Reason)> {
    let checks = Checks { wire: Wire::Line, user_defined: UserDefined::Refused };
    let mut reader = Reader::default();
    let text = format!("{text}\n");
    let Line::Message { message, .. } = reader.next(text.as_bytes()) else { panic!("{text}") };
    match inbound(&message, checks) {
        Ok(_) => None,
        Err(Fault::Reject { ref_tag, reason }) => Some((ref_tag, reason)),
        Err(Fault::Unsupported) => panic!("unsupported"),
    }
}

#[test]
fn lines_need_no_header_and_no_order_of_fields() {
    for text in [
        "35=A|553=ALPHA1|554=secret",
        "35=A|553=ALPHA1|554=secret|789=7",
        "35=D|11=a1|1=A1|55=ACME|54=1|38=100|40=2|44=10.25",
        "35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25|43=Y|34=7|8=FIX.4.4",
        "35=F|11=c1|41=zz|55=ACME|54=1",
        "35=1|112=x",
    ] {
        assert_eq!(line(text), None, "{text}");
    }
    assert_eq!(line("35=D|11=a1|55=ACME|54=1|38=100"), Some((Some(40), Reason::RequiredTagMissing)));
    assert_eq!(line("35=D|11=|55=ACME|54=1|38=100|40=1"), Some((Some(11), Reason::NoValue)));
    assert_eq!(line("35=nonsense"), Some((None, Reason::InvalidMsgType)));
}

proptest! {
    #[test]
    fn any_fields_are_judged_without_a_panic(
        msg_type in "[0-9A-Za-z]{0,2}",
        fields in proptest::collection::vec((-2i32..1100, "[ -~]{0,9}"), 0..60),
        groups in proptest::collection::vec(prop::sample::select(vec![453, 448, 447, 802, 523, 78, 79, 539, 386, 336, 146, 55, 267, 269]), 0..60),
    ) {
        let mut body = format!("35={msg_type}|{HEADER}");
        for (tag, value) in &fields {
            body = format!("{body}{tag}={}|", value.replace('|', "/"));
        }
        for tag in &groups {
            body = format!("{body}{tag}=2|");
        }
        let bytes = framed(&body);
        let mut framer = Framer::default();
        if let Framed::Message { message, .. } = framer.next(&bytes) {
            let line = Checks { wire: Wire::Line, user_defined: UserDefined::Allowed };
            prop_assert!(inbound(&message, FIX).is_err() || inbound(&message, line).is_ok());
        }
    }
}
