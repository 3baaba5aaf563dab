//! What a conversation promises beyond the standard's test cases, which are in `session/cases.rs`: one table for each rule (see
//! `support/talk.rs` for how to read them).

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

#[path = "session/cases.rs"]
mod cases;
#[path = "support/pretend.rs"]
mod support;
#[path = "support/talk.rs"]
mod talk;

use talk::{Talk, check};

/// A log-on as the first step.
const IN: &str = "
    > 35=A|34=1|98=0|108=30|553=ALPHA1|554=secret
    < 35=A|34=1|98=0|108=30
";

fn live(table: &str) {
    check(&format!("{IN}{table}"));
}

#[test]
fn numbers_and_messages_outlive_the_connection() {
    live(
        "> 35=D|34=2|@a1
         < 35=8|34=2|37=1|11=a1*
         hangup
         > 35=A|34=3|98=0|108=30|553=ALPHA1|554=secret
         < 35=A|34=3|98=0|108=30
         > 35=2|34=4|7=1|16=0
         < 35=4|34=1|43=Y|36=2|123=Y
         < 35=8|34=2|43=Y|37=1|11=a1*
         < 35=4|34=3|43=Y|36=4|123=Y
         hangup
         > 35=A|34=2|98=0|108=30|553=ALPHA1|554=secret
         < 35=5|34=4|58=MsgSeqNum too low, expecting 5 but received 2
         x",
    );
}

#[test]
fn a_log_on_without_heartbeats_is_never_tested() {
    check("> 35=A|34=1|98=0|108=0|553=ALPHA1|554=secret\n< 35=A|34=1|98=0|108=0\n+200");
}

#[test]
fn who_does_not_log_on_in_five_seconds_is_cut() {
    check(">raw 8=FIX\n+4.9\n+0.2\nx");
}

#[test]
fn passwords_are_not_guessed_more_than_ten_times_a_minute() {
    let mut talk = Talk::new("ALPHA1");
    for _ in 0..10 {
        talk.run(">line 35=A|553=ALPHA1|554=guess\n< ! unknown name or wrong password\nx");
    }
    talk.run(
        ">line 35=A|553=ALPHA1|554=secret\n< ! too many log-ons with a wrong password: wait a minute\nx",
    );
    talk.run("+60");
    talk.run(">line 35=A|553=ALPHA1|554=secret\n< 35=A|34=1|58=n1 epoch 3");
}

#[test]
fn a_line_client_needs_no_numbers_and_may_repeat_itself() {
    check(
        ">line 35=A|553=ALPHA1|554=secret
         < 35=A|34=1|58=n1 epoch 3
         >line 35=D|11=a1|1=A1|55=ACME|54=1|38=100|40=2|44=10.25
         < 35=8|34=2|37=1|11=a1|17=2|150=0|39=0|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|59=0|151=100|14=0|6=0*
         >line 35=D|11=a1|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|43=Y
         < 35=8|34=2|43=Y|37=1|11=a1|17=2|150=0|39=0|1=A1|55=ACME|54=1|38=100|40=2|44=10.25|59=0*
         >line 35=D|11=a2|1=A1|55=ACMX|54=1|38=1|40=2|44=1
         < 35=8|34=3|37=NONE|11=a2|17=3|150=8|39=8|103=1*
         >line 35=F|11=c1|41=zz|55=ACME|54=1
         < 35=9|34=4|37=NONE|11=c1|41=zz|39=8|434=1|102=1|58=no order zz*
         >line hello
         < 35=3|34=5|45=5|373=99|58=a line starts with 35=
         >line 35=1|112=x
         < 35=0|34=6|112=x
         +300
         >line 35=5
         < 35=5|34=7
         x",
    );
}

#[test]
fn a_line_client_names_the_number_from_which_it_wants_to_hear_everything() {
    check(
        ">line 35=A|553=ALPHA1|554=secret
         < 35=A|34=1|58=n1 epoch 3
         >line 35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25
         < 35=8|34=2|37=1|11=a1*
         >line 35=1|112=x
         < 35=0|34=3|112=x
         hangup
         >line 35=A|553=ALPHA1|554=secret|789=1
         < 35=A|34=4|58=n1 epoch 3
         < 35=4|34=1|43=Y|36=2|123=Y
         < 35=8|34=2|43=Y|37=1|11=a1*
         < 35=4|34=3|43=Y|36=4|123=Y
         >line 35=1|112=y
         < 35=0|34=5|112=y",
    );
}

#[test]
fn a_line_with_a_number_is_held_to_it() {
    check(
        ">line 35=A|34=1|553=ALPHA1|554=secret
         < 35=A|34=1|58=n1 epoch 3
         >line 35=1|34=3|112=x
         < 35=2|34=2|7=2|16=0
         >line 35=1|34=2|112=w
         < 35=0|34=3|112=w
         < 35=0|34=4|112=x
         >line 35=1|34=2|112=v
         < 35=5|34=5|58=MsgSeqNum too low, expecting 4 but received 2
         x",
    );
}

#[test]
fn a_log_on_that_a_new_epoch_closed_holds_the_session_for_nobody() {
    let mut talk = Talk::new("ALPHA1");
    talk.epoch_behind("35=A|553=ALPHA1|554=secret");
    talk.run("x");
    assert_eq!(talk.exchange.taken, ["logon 0", "logoff Drained"]);
}

#[test]
fn messages_over_the_rate_are_refused_and_cancels_have_an_allowance_of_their_own() {
    let mut talk = Talk::new("ALPHA1");
    talk.settings.messages_per_s = 3;
    talk.run(IN);
    for number in 2..5 {
        talk.run(&format!("> 35=D|34={number}|@a{number}\n< 35=8|34={number}*"));
    }
    talk.run(
        "> 35=D|34=5|@a5
         < 35=j|34=5|45=5|372=D|380=0|58=over 3 messages a second
         > 35=F|34=6|11=c1|41=a9|55=ACME|54=1|60=20260301-00:00:00|38=100
         < 35=9|34=6*
         +1
         > 35=D|34=7|@a7
         < 35=8|34=7*",
    );
}

#[test]
fn a_market_data_session_has_numbers_of_its_own_that_start_at_one() {
    let mut talk = Talk::new("FEED1");
    for _ in 0..2 {
        talk.run(
            "> 35=A|34=1|98=0|108=30|141=Y|553=FEED1|554=secret
             < 35=A|34=1|98=0|108=30|141=Y
             > 35=1|34=2|112=x
             < 35=0|34=2|112=x
             > 35=D|34=3|@a1
             < 35=j|34=3|45=3|372=D|380=6|58=a market-data session takes no orders
             > 35=2|34=4|7=1|16=0
             < 35=4|34=1|43=Y|36=4|123=Y
             > 35=V|34=5|262=m|263=1|264=0|267=2|269=0|269=1|146=1|55=ACME
             < 35=W|34=4*
             > 35=1|34=7|112=x
             < 35=2|34=5|7=6|16=0
             > 35=4|34=6|43=Y|122=now|123=Y|36=7
             < 35=0|34=6|112=x
             > 35=5|34=8
             < 35=5|34=7
             x",
        );
    }
    assert_eq!(talk.exchange.sequence(), 0);
    talk.run(
        ">line 35=A|553=FEED1|554=secret
         < 35=A|34=1|141=Y|58=n1 epoch 3
         >line 35=V|262=m|263=0|264=1|267=1|269=0|146=1|55=ACMX
         < 35=Y|34=2|262=m|281=0*
         hangup",
    );
}

/// A book of ACME, as a client in line mode asks for it.
const LOOK: &str = ">line 35=V|262=b|263=0|264=10|267=2|269=0|269=1|146=1|55=ACME";

#[test]
fn a_line_client_looks_at_a_book_and_the_answer_has_no_number() {
    check(&format!(
        ">line 35=A|553=ALPHA1|554=secret
         < 35=A|34=1|58=n1 epoch 3
         {LOOK}
         < 35=W|262=b|55=ACME|268=0
         >line 35=D|11=a1|55=ACME|54=1|38=100|40=2|44=10.25
         < 35=8|34=2|37=1|11=a1*
         >line 35=D|11=a2|55=ACME|54=2|38=7|40=2|44=10.26
         < 35=8|34=3|37=3|11=a2*
         {LOOK}
         < 35=W|262=b|55=ACME|268=2|269=0|270=10.25|271=100|346=1|290=1|269=1|270=10.26|271=7|346=1|290=1
         >line 35=V|262=c|263=0|264=1|267=1|269=0|146=1|55=ACMX
         < 35=Y|262=c|281=0*
         >line 35=V|262=d|263=1|264=0|267=1|269=0|146=1|55=ACME
         < 35=Y|262=d|281=4|58=books are followed on market-data sessions; 263=0 looks once
         >line 35=V|262=e
         < 35=3|34=4|45=8|371=146|372=V|373=1|58=Required tag missing
         >line 35=1|34=9|112=every line used up a number
         < 35=0|34=5|112=every line used up a number"
    ));
}

#[test]
fn what_was_looked_at_is_told_behind_a_resend_and_never_again() {
    check(&format!(
        ">line 35=A|553=ALPHA1|554=secret
         < 35=A|34=1|58=n1 epoch 3
         {LOOK}
         < 35=W|262=b|55=ACME|268=0
         >line 35=AN|710=p|724=0
         < 35=AP|710=p|724=0|727=1|728=0|1=A1|55=USD|704=1000.5|705=10
         hangup
         >line 35=A|553=ALPHA1|554=secret|789=1
         < 35=A|34=2|58=n1 epoch 3
         < 35=4|34=1|43=Y|36=2|123=Y
         {LOOK}
         < 35=W|262=b|55=ACME|268=0"
    ));
}

#[test]
fn a_line_client_asks_what_its_accounts_have_and_the_answer_has_no_number() {
    check(
        ">line 35=A|553=ALPHA1|554=secret
         < 35=A|34=1|58=n1 epoch 3
         >line 35=AN|710=p|724=0|1=A1
         < 35=AP|710=p|724=0|727=1|728=0|1=A1|55=USD|704=1000.5|705=10
         >line 35=AN|710=p|724=0|1=zz
         < 35=j|34=2|45=3|372=AN|380=1|58=no account zz
         >line 35=AN|724=0
         < 35=3|34=3|45=4|371=710|372=AN|373=1|58=Required tag missing
         >line 35=1|34=5|112=x
         < 35=0|34=4|112=x",
    );
}

#[test]
fn messages_of_the_standard_that_are_not_offered_get_a_business_reject() {
    let feed = "58=message type V is not offered on a trading session";
    for (body, answer) in [
        ("35=V|34=2|262=m|263=0|264=0|267=1|269=0|146=1|55=ACME", format!("372=V|380=3|{feed}")),
        ("35=e|34=2|324=s|55=ACME|263=0", "372=e|380=3*".to_owned()),
        ("35=g|34=2|335=s|263=0", "372=g|380=3*".to_owned()),
        ("35=AD|34=2|568=t|569=0", "372=AD|380=3|58=Unsupported Message Type".to_owned()),
        ("35=AE|34=2|571=t|570=N", "372=AE|380=3|58=Unsupported Message Type".to_owned()),
        ("35=AN|34=2|710=p|724=0", "372=AN|380=3|58=Unsupported Message Type".to_owned()),
        ("35=s|34=2|548=c", "372=s|380=3|58=Unsupported Message Type".to_owned()),
        ("35=E|34=2|66=l", "372=E|380=3|58=Unsupported Message Type".to_owned()),
        ("35=BE|34=2|923=u", "372=BE|380=3|58=Unsupported Message Type".to_owned()),
    ] {
        live(&format!(
            "> {body}
             < 35=j|34=2|45=2|{answer}
             > 35=1|34=3|112=x
             < 35=0|34=3|112=x"
        ));
    }
}
