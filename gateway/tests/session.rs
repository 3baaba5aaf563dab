//! What a conversation promises, one table for each rule (see `support/talk.rs` for how to read them). Those with a
//! number are FIX 4.4 volume 2's session-level test cases, under the names that the public acceptance definitions use.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

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
fn s_1a_valid_logon_with_correct_number() {
    live("> 35=5|34=2\n< 35=5|34=2\nx");
}

#[test]
fn s_1a_valid_logon_with_a_number_too_high_is_answered_before_the_gap_is_asked_for() {
    check(
        "> 35=A|34=5|98=0|108=30|553=ALPHA1|554=secret
         < 35=A|34=1|98=0|108=30
         < 35=2|34=2|7=1|16=0
         > 35=5|34=6
         < 35=5|34=3
         x",
    );
}

#[test]
fn s_1b_duplicate_identity_is_cut_silently_and_the_holder_asked() {
    live(
        "2> 35=A|34=1|98=0|108=30|553=ALPHA1|554=secret
         +0.1
         +0.3
         2x
         < 35=1|34=2|112=another log-on
         > 35=0|34=2|112=another log-on
         +5
         > 35=1|34=3|112=alive
         < 35=0|34=3|112=alive",
    );
}

#[test]
fn s_already_logged_on_a_holder_that_does_not_answer_in_two_seconds_is_cut() {
    live(
        "2> 35=A|34=1|98=0|108=30|553=ALPHA1|554=secret
         +0.4
         2x
         < 35=1|34=2|112=another log-on
         +2.1
         x
         > 35=A|34=2|98=0|108=30|553=ALPHA1|554=secret
         < 35=A|34=3|98=0|108=30",
    );
}

#[test]
fn s_1c_unknown_names_hear_nothing() {
    check("> 35=A|34=1|49=BETA1|98=0|108=30|553=BETA1|554=secret\nx");
    check("> 35=A|34=1|56=DLSI|98=0|108=30|553=ALPHA1|554=secret\nx");
    check("> 35=A|34=1|98=0|108=30|553=ALPHA1|554=guess\nx");
    check("> 35=A|34=1|98=0|108=30|553=ALPHA1\nx");
    check("> 35=A|34=1|98=0|108=30|553=ALPHA2|554=secret\nx");
}

#[test]
fn s_1d_invalid_logons_hear_nothing() {
    check("> 35=A|34=1|52=now-121|98=0|108=30|553=ALPHA1|554=secret\nx");
    check("> 8=FIX.4.2|35=A|34=1|98=0|108=30|553=ALPHA1|554=secret\nx");
    check("> 35=A|34=1|98=0|553=ALPHA1|554=secret\nx");
    // A wrong length: no message at all, so nothing but the deadline ends the connection.
    check(">raw 8=FIX.4.4|9=40|35=A|34=1|49=ALPHA1|56=RIALTO|98=0|108=30|10=001|\n+5.1\nx");
}

#[test]
fn s_1e_a_first_message_that_is_no_logon_ends_the_connection() {
    check("> 35=1|34=1|112=x\nx");
}

#[test]
fn s_2a_correct_numbers() {
    live("> 35=0|34=2\n> 35=0|34=3\n> 35=1|34=4|112=x\n< 35=0|34=2|112=x");
}

#[test]
fn s_2b_what_is_missing_is_asked_for_once_and_what_came_early_is_kept() {
    live(
        "> 35=D|34=4|@a4
         < 35=2|34=2|7=2|16=0
         > 35=D|34=5|@a5
         > 35=1|34=6|112=x
         > 35=D|34=2|43=Y|122=now|@a2
         < 35=8|34=3|37=1|11=a2*
         > 35=4|34=3|43=Y|122=now|123=Y|36=4
         < 35=8|34=4|37=3|11=a4*
         < 35=8|34=5|37=5|11=a5*
         < 35=0|34=6|112=x
         > 35=0|34=9
         < 35=2|34=7|7=7|16=0",
    );
}

#[test]
fn s_2c_a_number_too_low_ends_the_session_with_words() {
    live(
        "> 35=0|34=2
         > 35=0|34=3
         > 35=0|34=2
         < 35=5|34=2|58=MsgSeqNum too low, expecting 4 but received 2
         x",
    );
}

#[test]
fn s_2d_3b_3c_2m_2t_garbled_messages_use_up_no_number_and_get_no_answer() {
    live(
        ">raw 8=FIX.4.4|9=30|35=1|34=2|112=bad checksum|10=000|
         >raw 8=FIX.4.4|34=2|9=20|35=1|10=000|
         >raw 35=1|34=2|10=000|
         >raw garbage
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x",
    );
}

#[test]
fn s_2e_a_possible_duplicate_that_came_before_is_ignored() {
    live(
        "> 35=D|34=2|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=D|34=2|43=Y|122=now|@a1
         > 35=1|34=3|112=x
         < 35=0|34=3|112=x",
    );
}

#[test]
fn s_2e_a_possible_duplicate_that_did_not_come_before_is_taken_once() {
    live(
        "> 35=D|34=2|43=Y|122=now|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=D|34=3|97=Y|@a1
         < 35=8|34=2|43=Y|37=1|11=a1*",
    );
}

#[test]
fn s_2f_a_first_time_behind_the_second_is_rejected_and_ends_the_session() {
    live(
        "> 35=0|34=2
         > 35=0|34=2|43=Y|122=now+10
         < 35=3|34=2|45=2|372=0|373=10|58=SendingTime accuracy problem
         < 35=5|34=3
         x",
    );
}

#[test]
fn s_2g_a_possible_duplicate_without_its_first_time_is_rejected_and_uses_up_no_number() {
    live(
        "> 35=0|34=2
         > 35=0|34=2|43=Y
         < 35=3|34=2|45=2|371=122|372=0|373=1|58=Required tag missing
         > 35=1|34=3|112=x
         < 35=0|34=3|112=x",
    );
}

#[test]
fn s_2i_another_begin_string_ends_the_session() {
    live("> 8=FIX.4.1|35=1|34=2|112=x\n< 35=5|34=2|58=Incorrect BeginString\nx");
}

#[test]
fn s_2k_other_names_are_rejected_and_end_the_session() {
    for names in ["49=WT", "56=DLSI", "49=WT|56=DLSI"] {
        live(&format!(
            "> 35=D|34=2|{names}|@a1
             < 35=3|34=2|45=2|372=D|373=9|58=CompID problem
             < 35=5|34=3
             x"
        ));
    }
}

#[test]
fn s_2o_a_sending_time_too_far_from_now_is_rejected_and_ends_the_session() {
    for time in ["now-121", "now+121"] {
        live(&format!(
            "> 35=0|34=2|52={time}
             < 35=3|34=2|45=2|372=0|373=10|58=SendingTime accuracy problem
             < 35=5|34=3
             x"
        ));
    }
    live("> 35=1|34=2|52=now-119|112=x\n< 35=0|34=2|112=x");
}

#[test]
fn s_2q_an_unknown_message_type_is_rejected() {
    live("> 35=*|34=2\n< 35=3|34=2|45=2|372=*|373=11|58=Invalid MsgType");
}

#[test]
fn s_2r_a_known_message_type_that_is_not_offered_gets_a_business_reject() {
    live(
        "> 35=6|34=2|23=i|28=N|55=ACME|54=1|27=100\n< 35=j|34=2|45=2|372=6|380=3|58=Unsupported Message Type",
    );
}

#[test]
fn s_4a_a_heartbeat_is_sent_when_nothing_else_was() {
    live("+29.9\n+0.3\n< 35=0|34=2\n> 35=0|34=2\n+30.2\n< 35=0|34=3");
    live("+20\n> 35=1|34=2|112=x\n< 35=0|34=2|112=x\n+29\n+1.3\n< 35=0|34=3");
}

#[test]
fn s_4b_a_test_request_is_answered_with_its_own_words() {
    live("> 35=1|34=2|112=hello there\n< 35=0|34=2|112=hello there");
}

#[test]
fn s_6_silence_is_tested_and_then_ends_the_session() {
    live(
        "+30.2
         < 35=0|34=2
         +6
         < 35=1|34=3|112=are you there
         > 35=0|34=2|112=are you there
         +30
         < 35=0|34=4
         +6.3
         < 35=1|34=5|112=are you there
         +29
         +1.3
         < 35=5|34=6|58=no answer to TestRequest
         x",
    );
}

#[test]
fn s_7_a_reject_uses_up_a_number() {
    live("> 35=3|34=2|45=1|58=no\n> 35=1|34=3|112=x\n< 35=0|34=2|112=x");
}

#[test]
fn s_8_only_application_messages_are_sent_again_as_they_were() {
    live(
        "> 35=D|34=2|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=D|34=3|@a2
         < 35=8|34=3|37=3|11=a2*
         > 35=2|34=4|7=2|16=3
         < 35=8|34=2|43=Y|37=1|11=a1*
         < 35=8|34=3|43=Y|37=3|11=a2*
         > 35=2|34=5|7=3|16=0
         < 35=8|34=3|43=Y|37=3|11=a2*
         > 35=2|34=6|7=1|16=1
         < 35=4|34=1|43=Y|36=2|123=Y",
    );
}

#[test]
fn s_8_only_admin_messages_become_one_gap_fill() {
    live(
        "> 35=1|34=2|112=x
         < 35=0|34=2|112=x
         > 35=1|34=3|112=x
         < 35=0|34=3|112=x
         > 35=2|34=4|7=1|16=0
         < 35=4|34=1|43=Y|36=4|123=Y
         > 35=2|34=5|7=2|16=2
         < 35=4|34=2|43=Y|36=3|123=Y
         > 35=1|34=6|112=x
         < 35=0|34=4|112=x",
    );
}

#[test]
fn s_8_runs_of_admin_messages_between_application_messages_are_filled_each_by_one() {
    live(
        "> 35=1|34=2|112=x
         < 35=0|34=2|112=x
         > 35=D|34=3|@a1
         < 35=8|34=3|37=1|11=a1*
         > 35=1|34=4|112=x
         < 35=0|34=4|112=x
         > 35=1|34=5|112=x
         < 35=0|34=5|112=x
         > 35=2|34=6|7=1|16=0
         < 35=4|34=1|43=Y|36=3|123=Y
         < 35=8|34=3|43=Y|37=1|11=a1*
         < 35=4|34=4|43=Y|36=6|123=Y",
    );
}

#[test]
fn s_8_a_long_resend_comes_in_order_and_new_messages_behind_it() {
    let mut talk = Talk::new("ALPHA1");
    talk.run(IN);
    for number in 2..400 {
        if number % 100 < 70 {
            talk.run(&format!("> 35=1|34={number}|112=x\n< 35=0|34={number}|112=x"));
        } else {
            talk.run(&format!("> 35=D|34={number}|@a{number}\n< 35=8|34={number}*"));
        }
    }
    let mut table = "> 35=2|34=400|7=1|16=0\n".to_owned();
    for hundred in 0..4 {
        let first = if hundred == 0 { 1 } else { hundred * 100 };
        let fill = format!("< 35=4|34={first}|43=Y|36={}|123=Y\n", hundred * 100 + 70);
        table.push_str(&fill);
        for number in hundred * 100 + 70..(hundred + 1) * 100 {
            let again = format!("< 35=8|34={number}|43=Y*\n");
            table.push_str(&again);
        }
    }
    table += "> 35=1|34=401|112=x\n< 35=0|34=400|112=x";
    talk.run(&table);
}

#[test]
fn s_10_gap_fill_with_the_expected_number() {
    live("> 35=4|34=2|123=Y|36=20\n> 35=1|34=20|112=x\n< 35=0|34=2|112=x");
}

#[test]
fn s_10_gap_fill_with_a_greater_number_waits_for_its_turn() {
    live(
        "> 35=4|34=10|123=Y|36=20
         < 35=2|34=2|7=2|16=0
         > 35=1|34=20|112=x
         > 35=5|34=2
         < 35=5|34=3
         x",
    );
}

#[test]
fn s_10_gap_fill_with_a_lesser_number_is_ignored_if_a_duplicate_and_else_ends_the_session() {
    live(
        "> 35=4|34=1|43=Y|122=now-1|123=Y|36=20
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x
         > 35=4|34=1|123=Y|36=20
         < 35=5|34=3|58=MsgSeqNum too low, expecting 3 but received 1
         x",
    );
}

#[test]
fn s_11a_a_reset_to_a_greater_number_ignores_its_own() {
    for own in [0, 1, 2, 50] {
        live(&format!("> 35=4|34={own}|36=5\n> 35=1|34=5|112=x\n< 35=0|34=2|112=x"));
    }
}

#[test]
fn s_11b_a_reset_to_the_expected_number_changes_nothing() {
    live(
        "> 35=4|34=0|36=2\n> 35=1|34=2|112=x\n< 35=0|34=2|112=x\n> 35=4|34=0|123=N|36=4\n> 35=1|34=4|112=y\n< 35=0|34=3|112=y",
    );
}

#[test]
fn s_11c_a_reset_to_a_lesser_number_is_rejected_and_changes_nothing() {
    live(
        "> 35=4|34=0|36=1
         < 35=3|34=2|45=0|371=36|372=4|373=5|58=Value is incorrect (out of range) for this tag
         > 35=1|34=2|112=x
         < 35=0|34=3|112=x",
    );
}

#[test]
fn s_13b_a_logout_is_answered_and_the_member_may_hang_up_first() {
    live("> 35=5|34=2\n< 35=5|34=2\n+1.9\n+0.2\nx");
}

#[test]
fn s_14_faults_of_syntax_are_rejected_and_use_up_their_number() {
    for (body, answer) in [
        ("35=0|34=2|999=x", "371=999|372=0|373=0|58=Invalid tag number"),
        ("35=1|34=2", "371=112|372=1|373=1|58=Required tag missing"),
        ("35=0|34=2|55=ACME", "371=55|372=0|373=2|58=Tag not defined for this message type"),
        ("35=1|34=2|112=", "371=112|372=1|373=4|58=Tag specified without a value"),
        ("35=4|34=2|123=Y|36=x", "371=36|372=4|373=6|58=Incorrect data format for value"),
        ("35=1|34=2|112=x|112=y", "371=112|372=1|373=13|58=Tag appears more than once"),
        ("35=1|34=2|112=x|50=y", "371=50|372=1|373=14|58=Tag specified out of required order"),
    ] {
        live(&format!(
            "> {body}
             < 35=3|34=2|45=2|{answer}
             > 35=1|34=3|112=x
             < 35=0|34=3|112=x"
        ));
    }
}

#[test]
fn s_19_a_possible_resend_is_taken_once_by_its_cl_ord_id() {
    live(
        "> 35=D|34=2|97=Y|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=D|34=3|97=Y|@a1
         < 35=8|34=2|43=Y|37=1|11=a1*
         > 35=1|34=4|112=x
         < 35=0|34=3|112=x",
    );
}

#[test]
fn s_20_both_sides_ask_at_once_and_both_are_served() {
    live(
        "> 35=D|34=2|@a2
         < 35=8|34=2|37=1|11=a2*
         > 35=0|34=6
         < 35=2|34=3|7=3|16=0
         > 35=2|34=7|7=2|16=2
         < 35=8|34=2|43=Y|37=1|11=a2*
         > 35=0|34=3|43=Y|122=now
         > 35=0|34=4|43=Y|122=now
         > 35=0|34=5|43=Y|122=now
         > 35=5|34=6
         < 35=5|34=4
         x",
    );
}

#[test]
fn s_reject_resent_message_a_fault_within_a_gap_does_not_stop_what_waits() {
    live(
        "> 35=1|34=3|112=first
         < 35=2|34=2|7=2|16=0
         > 35=D|34=2|43=Y|122=now|@a1|126=20260301
         < 35=3|34=3|45=2|371=126|372=D|373=6*
         < 35=0|34=4|112=first
         > 35=1|34=4|112=second
         < 35=0|34=5|112=second
         > 35=5|34=11
         < 35=5|34=6
         x",
    );
}

#[test]
fn s_session_reset_while_live_begins_both_numbers_anew() {
    live(
        "> 35=D|34=2|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=A|34=1|98=0|108=30|141=Y
         < 35=A|34=1|98=0|108=30|141=Y
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x
         > 35=2|34=3|7=1|16=0
         < 35=4|34=1|43=Y|36=3|123=Y",
    );
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
