//! The session-level test cases of FIX 4.4 volume 2, each as a conversation of our own under the name that the public
//! acceptance definitions of `QuickFIX` give it (see `../support/talk.rs` for how to read the tables). Where those have an
//! order echoed, this exchange answers it. The last test holds the list: no case is without its conversation.

use crate::talk::{Talk, check};
use crate::{IN, live};

/// Case `1a_ValidLogonWithCorrectMsgSeqNum`
#[test]
fn a_sound_log_on_is_answered() {
    live("> 35=5|34=2\n< 35=5|34=2\nx");
}

/// Case `1a_ValidLogonMsgSeqNumTooHigh`
#[test]
fn a_log_on_with_a_number_too_high_is_answered_before_the_gap_is_asked_for() {
    check(
        "> 35=A|34=5|98=0|108=30|553=ALPHA1|554=secret
         < 35=A|34=1|98=0|108=30
         < 35=2|34=2|7=1|16=0
         > 35=5|34=6
         < 35=5|34=3
         x",
    );
}

/// Case `1b_DuplicateIdentity`
#[test]
fn a_duplicate_is_cut_silently_and_a_holder_long_unheard_is_asked() {
    live(
        "+3
         2> 35=A|34=1|98=0|108=30|553=ALPHA1|554=secret
         +0.4
         2x
         < 35=1|34=2|112=another log-on
         > 35=0|34=2|112=another log-on
         +5
         > 35=1|34=3|112=alive
         < 35=0|34=3|112=alive",
    );
    live(
        "+3
         2> 35=A|34=1|98=0|108=30|553=ALPHA1|554=secret
         +0.4
         2x
         < 35=1|34=2|112=another log-on
         +2.1
         x
         > 35=A|34=2|98=0|108=30|553=ALPHA1|554=secret
         < 35=A|34=3|98=0|108=30",
    );
}

/// Case `AlreadyLoggedOn`
#[test]
fn a_holder_heard_a_moment_ago_hears_nothing_of_a_duplicate() {
    live(
        "2> 35=A|34=1|98=0|108=30|553=ALPHA1|554=secret
         +0.4
         2x
         +5
         > 35=5|34=2
         < 35=5|34=2
         x",
    );
}

/// Case `1c_InvalidSenderCompID`
#[test]
fn an_unknown_member_hears_nothing() {
    check("> 35=A|34=1|49=BETA1|98=0|108=30|553=BETA1|554=secret\nx");
    check("> 35=A|34=1|49=BETA1|98=0|108=30\nx");
    check("> 35=A|34=1|98=0|108=30|553=ALPHA2|554=secret\nx");
    check("> 35=A|34=1|98=0|108=30|553=ALPHA1|554=guess\nx");
    check("> 35=A|34=1|98=0|108=30|553=ALPHA1\nx");
}

/// Case `1c_InvalidTargetCompID`
#[test]
fn who_asks_for_another_exchange_hears_nothing() {
    check("> 35=A|34=1|56=DLSI|98=0|108=30|553=ALPHA1|554=secret\nx");
}

/// Case `1d_InvalidLogonBadSendingTime`
#[test]
fn a_log_on_from_another_time_hears_nothing() {
    for time in ["now-121", "now+121", "20010101-00:00:00", "yesterday"] {
        check(&format!("> 35=A|34=1|52={time}|98=0|108=30|553=ALPHA1|554=secret\nx"));
    }
}

/// Case `1d_InvalidLogonLengthInvalid`
#[test]
fn a_log_on_of_another_length_is_no_message_and_its_time_runs_out() {
    check(">raw 8=FIX.4.4|9=40|35=A|34=1|49=ALPHA1|56=RIALTO|98=0|108=30|10=001|\n+5.1\nx");
}

/// Case `1d_InvalidLogonWrongBeginString`
#[test]
fn a_log_on_in_another_version_hears_nothing() {
    for version in ["FIX.3.9", "FIX.4.2", "FIXT.1.1"] {
        check(&format!("> 8={version}|35=A|34=1|98=0|108=30|553=ALPHA1|554=secret\nx"));
    }
    check("> 35=A|34=1|98=0|553=ALPHA1|554=secret\nx");
}

/// Case `1e_NotLogonMessage`
#[test]
fn a_first_message_that_is_no_log_on_ends_the_connection() {
    check("> 35=1|34=1|112=x\nx");
    check("> 35=0|34=1|56=DLSI\nx");
    check("> 35=D|34=1|@a1\nx");
}

/// Case `2a_MsgSeqNumCorrect`
#[test]
fn messages_in_order_are_taken() {
    live("> 35=0|34=2\n> 35=0|34=3\n> 35=1|34=4|112=x\n< 35=0|34=2|112=x");
}

/// Case `2b_MsgSeqNumTooHigh`
#[test]
fn what_is_missing_is_asked_for_once_and_what_came_early_is_kept() {
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

/// Case `2c_MsgSeqNumTooLow`
#[test]
fn a_number_too_low_ends_the_session_with_words() {
    live(
        "> 35=0|34=2
         > 35=0|34=3
         > 35=0|34=2
         < 35=5|34=2|58=MsgSeqNum too low, expecting 4 but received 2
         x",
    );
    live("> 35=0|34=2\n> 35=D|34=2|@a1\n< 35=5|34=2|58=MsgSeqNum too low, expecting 3 but received 2\nx");
}

/// Case `2d_GarbledMessage`
#[test]
fn a_garbled_message_uses_up_no_number_and_gets_no_answer() {
    live(
        ">raw 8=FIX.4.4|9=45|35=1|34=2|4garbled9=ALPHA1|56=RIALTO|112=x|10=000|
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x
         >raw 8=FIX.4.4|9=30|35=0|34=3|4garbled9=ALPHA1|10=000|
         > 35=0|34=4
         < 35=2|34=3|7=3|16=0
         > 35=D|34=3|@a3
         < 35=8|34=4|37=1|11=a3*
         > 35=5|34=5
         < 35=5|34=5
         x",
    );
}

/// Case `2e_PossDupAlreadyReceived`
#[test]
fn a_possible_duplicate_that_came_before_is_ignored() {
    live(
        "> 35=D|34=2|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=D|34=2|43=Y|122=now|@a1
         > 35=0|34=2|43=Y|122=now
         > 35=1|34=3|112=x
         < 35=0|34=3|112=x",
    );
}

/// Case `2e_PossDupNotReceived`
#[test]
fn a_possible_duplicate_that_did_not_come_before_is_taken() {
    live(
        "> 35=0|34=2|43=Y|122=now
         > 35=D|34=3|43=Y|122=now|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=D|34=4|43=Y|122=now|@a1
         < 35=8|34=2|43=Y|37=1|11=a1*",
    );
}

/// Case `2f_PossDupOrigSendingTimeTooHigh`
#[test]
fn a_first_time_behind_the_second_is_rejected_and_ends_the_session() {
    live(
        "> 35=0|34=2
         > 35=0|34=2|43=Y|122=now+10
         < 35=3|34=2|45=2|372=0|373=10|58=SendingTime accuracy problem
         < 35=5|34=3
         x",
    );
}

/// Case `2g_PossDupNoOrigSendingTime`
#[test]
fn a_possible_duplicate_without_its_first_time_is_rejected_and_uses_up_no_number() {
    live(
        "> 35=0|34=2
         > 35=0|34=2|43=Y
         < 35=3|34=2|45=2|371=122|372=0|373=1|58=Required tag missing
         > 35=1|34=3|112=x
         < 35=0|34=3|112=x",
    );
}

/// Case `2i_BeginStringValueUnexpected`
#[test]
fn another_version_ends_the_session() {
    live("> 8=FIX.4.1|35=1|34=2|112=x\n< 35=5|34=2|58=Incorrect BeginString\nx");
}

/// Case `2k_CompIDDoesNotMatchProfile`
#[test]
fn other_names_are_rejected_and_end_the_session() {
    for names in ["49=WT", "56=DLSI", "49=WT|56=DLSI"] {
        live(&format!(
            "> 35=D|34=2|{names}|@a1
             < 35=3|34=2|45=2|372=D|373=9|58=CompID problem
             < 35=5|34=3
             x"
        ));
    }
}

/// Case `2m_BodyLengthValueNotCorrect`
#[test]
fn a_message_of_another_length_is_garbled_and_so_is_what_it_swallows() {
    live(
        ">raw 8=FIX.4.4|9=20|35=D|34=2|49=ALPHA1|56=RIALTO|11=a1|10=000|
         > 35=D|34=3|@a3
         < 35=2|34=2|7=2|16=0
         > 35=D|34=2|@a2
         < 35=8|34=3|37=1|11=a2*
         < 35=8|34=4|37=3|11=a3*
         >raw 8=FIX.4.4|9=120|35=D|34=4|49=ALPHA1|56=RIALTO|11=a4|10=000|
         > 35=0|34=4|43=Y|122=now
         > 35=0|34=4|43=Y|122=now
         > 35=0|34=4|43=Y|122=now
         > 35=1|34=5|112=x
         < 35=0|34=5|112=x",
    );
}

/// Case `2o_SendingTimeValueOutOfRange`
#[test]
fn a_sending_time_too_far_from_now_is_rejected_and_ends_the_session() {
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

/// Case `2q_MsgTypeNotValid`
#[test]
fn an_unknown_message_type_is_rejected() {
    live("> 35=*|34=2\n< 35=3|34=2|45=2|372=*|373=11|58=Invalid MsgType");
    live("> 35=ZZ|34=2|55=ACME\n< 35=3|34=2|45=2|372=ZZ|373=11|58=Invalid MsgType");
}

/// Case `2r_UnregisteredMsgType`
#[test]
fn a_known_message_type_that_is_not_offered_gets_a_business_reject() {
    live(
        "> 35=8|34=2|37=i|17=i|150=0|39=0|55=ACME|54=1|151=1|14=0|6=0
         < 35=j|34=2|45=2|372=8|380=3|58=Unsupported Message Type
         > 35=5|34=3
         < 35=5|34=3
         x",
    );
}

/// Case `2t_FirstThreeFieldsOutOfOrder`
#[test]
fn a_message_that_opens_in_another_order_is_garbled() {
    live(
        ">raw 35=0|8=FIX.4.4|9=29|34=2|49=ALPHA1|56=RIALTO|10=121|
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x
         >raw 8=FIX.4.4|34=3|9=20|35=1|10=000|
         >raw 8=FIX.4.4|9=20|34=3|35=0|49=ALPHA1|10=000|
         > 35=1|34=3|112=y
         < 35=0|34=3|112=y",
    );
}

/// Case `3b_InvalidChecksum`
#[test]
fn a_message_with_a_wrong_checksum_is_garbled() {
    live(
        ">raw 8=FIX.4.4|9=10|35=0|34=2|10=256|
         > 35=0|34=2
         >raw 8=FIX.4.4|9=10|35=0|34=3|10=000|
         > 35=0|34=4
         < 35=2|34=2|7=3|16=0
         > 35=D|34=3|@a3
         < 35=8|34=3|37=1|11=a3*
         > 35=5|34=5
         < 35=5|34=4
         x",
    );
}

/// Case `3c_GarbledMessage`
#[test]
fn bytes_that_are_no_fields_are_skipped_up_to_the_next_message() {
    live(
        ">raw 8=FIX.4.4|9=42|35=1|34=2|garbled|49=ALPHA1|56=RIALTO|112=x|10=000|
         >raw garbage
         >raw 35=1|34=2|10=000|
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x",
    );
}

/// Case `4a_NoDataSentDuringHeartBtInt`
#[test]
fn a_heartbeat_is_sent_when_nothing_else_was() {
    live("+29.9\n+0.3\n< 35=0|34=2\n> 35=0|34=2\n+30.2\n< 35=0|34=3");
    live("+20\n> 35=1|34=2|112=x\n< 35=0|34=2|112=x\n+29\n+1.3\n< 35=0|34=3");
}

/// Case `4b_ReceivedTestRequest`
#[test]
fn a_test_request_is_answered_with_its_own_words() {
    live("> 35=1|34=2|112=hello there\n< 35=0|34=2|112=hello there");
}

/// Case `6_SendTestRequest`
#[test]
fn silence_is_tested_and_then_ends_the_connection_without_a_word() {
    live(
        "+30.2
         < 35=0|34=2
         +6
         < 35=1|34=3|112=TEST
         > 35=0|34=2|112=TEST
         +30
         < 35=0|34=4
         +6.3
         < 35=1|34=5|112=TEST
         +29
         +1.3
         x
         > 35=A|34=3|98=0|108=30|553=ALPHA1|554=secret
         < 35=A|34=6|98=0|108=30",
    );
}

/// Case `7_ReceiveRejectMessage`
#[test]
fn a_reject_uses_up_a_number() {
    live("> 35=3|34=2|45=1|58=no\n> 35=1|34=3|112=x\n< 35=0|34=2|112=x");
}

/// Case `8_OnlyApplicationMessages`
#[test]
fn application_messages_are_sent_again_as_they_were() {
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
         > 35=1|34=6|112=x
         < 35=0|34=4|112=x
         > 35=2|34=7|7=3|16=0
         < 35=8|34=3|43=Y|37=3|11=a2*
         < 35=4|34=4|43=Y|36=5|123=Y
         > 35=2|34=8|7=1|16=1
         < 35=4|34=1|43=Y|36=2|123=Y",
    );
}

/// Case `8_OnlyAdminMessages`
#[test]
fn admin_messages_become_one_gap_fill_and_a_request_under_an_old_number_is_served_too() {
    live(
        "> 35=1|34=2|112=x
         < 35=0|34=2|112=x
         > 35=1|34=3|112=x
         < 35=0|34=3|112=x
         > 35=2|34=4|7=1|16=3
         < 35=4|34=1|43=Y|36=4|123=Y
         > 35=1|34=5|112=x
         < 35=0|34=4|112=x
         > 35=2|34=4|7=1|16=0
         < 35=4|34=1|43=Y|36=5|123=Y
         > 35=2|34=2|7=2|16=2
         < 35=4|34=2|43=Y|36=3|123=Y
         > 35=1|34=6|112=y
         < 35=0|34=5|112=y
         > 35=2|34=6|16=0
         < 35=5|34=6|58=MsgSeqNum too low, expecting 7 but received 6
         x",
    );
}

/// Case `8_AdminAndApplicationMessages`
#[test]
fn runs_of_admin_messages_between_application_messages_are_filled_each_by_one() {
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
fn a_long_resend_comes_in_order_and_new_messages_behind_it() {
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

/// Case `10_MsgSeqNumEqual`
#[test]
fn a_gap_fill_in_its_turn_sets_the_next_number() {
    live("> 35=4|34=2|123=Y|36=20\n> 35=1|34=20|112=x\n< 35=0|34=2|112=x");
}

/// Case `10_MsgSeqNumGreater`
#[test]
fn a_gap_fill_before_its_turn_waits_for_it() {
    live(
        "> 35=4|34=10|123=Y|36=20
         < 35=2|34=2|7=2|16=0
         > 35=1|34=20|112=x
         > 35=5|34=2
         < 35=5|34=3
         x",
    );
}

/// Case `10_MsgSeqNumLess`
#[test]
fn a_gap_fill_under_an_old_number_is_ignored_if_a_duplicate_and_else_ends_the_session() {
    live(
        "> 35=4|34=1|43=Y|122=now-1|123=Y|36=20
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x
         > 35=4|34=1|123=Y|36=20
         < 35=5|34=3|58=MsgSeqNum too low, expecting 3 but received 1
         x",
    );
}

/// Case `11a_NewSeqNoGreater`
#[test]
fn a_reset_to_a_greater_number_ignores_its_own() {
    for own in [0, 1, 2, 50] {
        live(&format!("> 35=4|34={own}|36=5\n> 35=1|34=5|112=x\n< 35=0|34=2|112=x"));
    }
}

/// Case `11b_NewSeqNoEqual`
#[test]
fn a_reset_to_the_expected_number_changes_nothing() {
    live(
        "> 35=4|34=0|36=2
         > 35=1|34=2|112=x
         < 35=0|34=2|112=x
         > 35=4|34=0|123=N|36=4
         > 35=1|34=4|112=y
         < 35=0|34=3|112=y",
    );
}

/// Case `11c_NewSeqNoLess`
#[test]
fn a_reset_to_a_lesser_number_is_rejected_and_changes_nothing() {
    live(
        "> 35=4|34=0|36=1
         < 35=3|34=2|45=0|372=4|373=5|58=Value is incorrect (out of range) for this tag
         > 35=1|34=2|112=x
         < 35=0|34=3|112=x
         > 35=4|34=0|123=N|36=1
         < 35=3|34=4|45=0|372=4|373=5|58=Value is incorrect (out of range) for this tag",
    );
}

/// Case `13b_UnsolicitedLogoutMessage`
#[test]
fn a_log_out_is_answered_and_the_member_may_hang_up_first() {
    live("> 35=5|34=2\n< 35=5|34=2\n+1.9\n+0.2\nx");
}

/// A fault of syntax is rejected, uses up its number, and the conversation goes on.
fn faulty(body: &str, answer: &str) {
    live(&format!(
        "> {body}
         < 35=3|34=2|45=2|{answer}
         > 35=1|34=3|112=x
         < 35=0|34=3|112=x"
    ));
}

/// A market order with what a case is about at its end.
fn order(end: &str) -> String {
    format!("35=D|34=2|11=a1|55=ACME|54=1|60=20260301-00:00:00|40=1|{end}")
}

/// Case `14a_BadField`
#[test]
fn tags_that_the_standard_does_not_have_are_rejected_by_their_number() {
    for tag in ["999", "0", "-1", "5000", "99999999"] {
        let answer = format!("371={tag}|372=0|373=0|58=Invalid tag number");
        faulty(&format!("35=0|34=2|{tag}=x"), &answer);
    }
}

/// Case `14b_RequiredFieldMissing`
#[test]
fn a_missing_field_is_rejected_by_its_number() {
    faulty("35=1|34=2", "371=112|372=1|373=1|58=Required tag missing");
    // The tables leave out a name that is given as empty.
    faulty("35=0|34=2|56=", "371=56|372=0|373=1|58=Required tag missing");
    let nameless = "35=D|34=2|40=1|60=20260301-00:00:00|54=1|21=3";
    faulty(nameless, "371=11|372=D|373=1|58=Required tag missing");
}

/// Case `14c_TagNotDefinedForMsgType`
#[test]
fn a_field_of_another_message_is_rejected() {
    faulty("35=0|34=2|55=ACME", "371=55|372=0|373=2|58=Tag not defined for this message type");
}

/// Case `14d_TagSpecifiedWithoutValue`
#[test]
fn an_empty_field_is_rejected() {
    faulty("35=1|34=2|112=", "371=112|372=1|373=4|58=Tag specified without a value");
}

/// Case `14e_IncorrectEnumValue`
#[test]
fn a_value_that_the_field_cannot_have_is_rejected() {
    let words = "58=Value is incorrect (out of range) for this tag";
    faulty(&order("38=2000.00|21=4"), &format!("371=21|372=D|373=5|{words}"));
    faulty(&order("38=2000.00|21=1|167=BOO"), &format!("371=167|372=D|373=5|{words}"));
    faulty(&order("38=1|59=Z"), &format!("371=59|372=D|373=5|{words}"));
    live(&format!("> {}\n< 35=8|34=2|37=1|11=a1*", order("38=002000.00|21=1|167=CS")));
}

/// Case `14f_IncorrectDataFormat`
#[test]
fn a_value_of_another_type_is_rejected() {
    let words = "58=Incorrect data format for value";
    for quantity in ["+200.00", "2e3", "1,000", "0x10", "1.2.3", " 1"] {
        faulty(&order(&format!("38={quantity}")), &format!("371=38|372=D|373=6|{words}"));
    }
    faulty("35=4|34=2|123=Y|36=x", &format!("371=36|372=4|373=6|{words}"));
    faulty(&order("38=1|126=20260301"), &format!("371=126|372=D|373=6|{words}"));
}

/// Case `14g_HeaderBodyTrailerFieldsOutOfOrder`
#[test]
fn header_fields_behind_the_body_are_rejected() {
    let words = "58=Tag specified out of required order";
    faulty("35=1|34=2|112=x|50=y", &format!("371=50|372=1|373=14|{words}"));
    let late = "35=D|11=a1|55=ACME|54=1|60=20260301-00:00:00|40=1|38=1|34=2";
    faulty(late, &format!("371=52|372=D|373=14|{words}"));
}

/// Case `14h_RepeatedTag`
#[test]
fn a_field_that_stands_there_twice_is_rejected() {
    let words = "58=Tag appears more than once";
    faulty("35=1|34=2|112=x|112=y", &format!("371=112|372=1|373=13|{words}"));
    faulty(&order("38=1|40=2"), &format!("371=40|372=D|373=13|{words}"));
}

/// Case `14i_RepeatingGroupCountNotEqual`
#[test]
fn a_group_with_another_count_is_rejected() {
    let words = "58=Incorrect NumInGroup count for repeating group";
    faulty(&order("38=1|386=3|336=P|336=A"), &format!("371=386|372=D|373=16|{words}"));
    faulty(&order("38=1|386=1|336=P|336=A"), &format!("371=386|372=D|373=16|{words}"));
    live(&format!("> {}\n< 35=8|34=2|37=1|11=a1*", order("38=1|386=2|336=P|336=A")));
}

/// Case `15_HeaderAndBodyFieldsOrderedDifferently`
#[test]
fn fields_of_header_and_body_may_stand_in_any_order_within_them() {
    live(
        "> 35=D|34=2|49=ALPHA1|52=now|56=RIALTO|11=a1|21=3|40=1|54=1|55=ACME|38=1|60=20260301-00:00:00
         < 35=8|34=2|37=1|11=a1*
         > 35=D|49=ALPHA1|34=3|56=RIALTO|52=now|40=1|55=ACME|60=20260301-00:00:00|38=1|54=1|21=3|11=a2
         < 35=8|34=3|37=3|11=a2*",
    );
}

/// Case `19a_PossResendMessageThatHAsAlreadyBeenSent`
#[test]
fn a_possible_resend_of_what_was_seen_is_passed_over_and_uses_up_its_number() {
    live(
        "> 35=D|34=2|@a1
         < 35=8|34=2|37=1|11=a1*
         > 35=D|34=3|97=Y|@a1
         > 35=5|34=4
         < 35=5|34=3
         x",
    );
    // Also of what was refused.
    live(
        "> 35=D|34=2|11=a1|55=ACMX|54=1|60=20260301-00:00:00|40=1|38=1
         < 35=8|34=2|37=NONE|11=a1*
         > 35=D|34=3|97=Y|11=a1|55=ACMX|54=1|60=20260301-00:00:00|40=1|38=1
         > 35=5|34=4
         < 35=5|34=3
         x",
    );
}

/// Case `19b_PossResendMessageThatHasNotBeenSent`
#[test]
fn a_possible_resend_of_what_was_never_seen_is_taken() {
    live("> 35=D|34=2|97=Y|@a1\n< 35=8|34=2|37=1|11=a1*");
}

/// Case `20_SimultaneousResendRequest`
#[test]
fn both_sides_ask_at_once_and_both_are_served() {
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

/// Case `21_RepeatingGroupSpecifierWithValueOfZero`
#[test]
fn a_group_of_no_entries_is_a_group() {
    live(&format!("> {}\n< 35=8|34=2|37=1|11=a1*", order("38=1|386=0")));
    live(
        "> 35=d|34=2|320=q|322=r|323=6|55=TBS|454=0
         < 35=j|34=2|45=2|372=d|380=3|58=Unsupported Message Type",
    );
}

/// Case `RejectResentMessage`
#[test]
fn a_fault_within_a_gap_does_not_stop_what_waits() {
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

/// Case `SessionReset`
#[test]
fn a_reset_while_live_begins_both_numbers_anew() {
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

/// The names of the standard's cases that apply to an exchange: all but the two about routing.
const CASES: [&str; 57] = [
    "10_MsgSeqNumEqual",
    "10_MsgSeqNumGreater",
    "10_MsgSeqNumLess",
    "11a_NewSeqNoGreater",
    "11b_NewSeqNoEqual",
    "11c_NewSeqNoLess",
    "13b_UnsolicitedLogoutMessage",
    "14a_BadField",
    "14b_RequiredFieldMissing",
    "14c_TagNotDefinedForMsgType",
    "14d_TagSpecifiedWithoutValue",
    "14e_IncorrectEnumValue",
    "14f_IncorrectDataFormat",
    "14g_HeaderBodyTrailerFieldsOutOfOrder",
    "14h_RepeatedTag",
    "14i_RepeatingGroupCountNotEqual",
    "15_HeaderAndBodyFieldsOrderedDifferently",
    "19a_PossResendMessageThatHAsAlreadyBeenSent",
    "19b_PossResendMessageThatHasNotBeenSent",
    "1a_ValidLogonMsgSeqNumTooHigh",
    "1a_ValidLogonWithCorrectMsgSeqNum",
    "1b_DuplicateIdentity",
    "1c_InvalidSenderCompID",
    "1c_InvalidTargetCompID",
    "1d_InvalidLogonBadSendingTime",
    "1d_InvalidLogonLengthInvalid",
    "1d_InvalidLogonWrongBeginString",
    "1e_NotLogonMessage",
    "20_SimultaneousResendRequest",
    "21_RepeatingGroupSpecifierWithValueOfZero",
    "2a_MsgSeqNumCorrect",
    "2b_MsgSeqNumTooHigh",
    "2c_MsgSeqNumTooLow",
    "2d_GarbledMessage",
    "2e_PossDupAlreadyReceived",
    "2e_PossDupNotReceived",
    "2f_PossDupOrigSendingTimeTooHigh",
    "2g_PossDupNoOrigSendingTime",
    "2i_BeginStringValueUnexpected",
    "2k_CompIDDoesNotMatchProfile",
    "2m_BodyLengthValueNotCorrect",
    "2o_SendingTimeValueOutOfRange",
    "2q_MsgTypeNotValid",
    "2r_UnregisteredMsgType",
    "2t_FirstThreeFieldsOutOfOrder",
    "3b_InvalidChecksum",
    "3c_GarbledMessage",
    "4a_NoDataSentDuringHeartBtInt",
    "4b_ReceivedTestRequest",
    "6_SendTestRequest",
    "7_ReceiveRejectMessage",
    "8_AdminAndApplicationMessages",
    "8_OnlyAdminMessages",
    "8_OnlyApplicationMessages",
    "AlreadyLoggedOn",
    "RejectResentMessage",
    "SessionReset",
];

/// Cases of `source` that have a conversation: named right above a test.
fn with_a_test(source: &str) -> Vec<&str> {
    let lines: Vec<&str> = source.lines().collect();
    let named = lines.windows(2).filter(|pair| pair[1] == "#[test]");
    named.filter_map(|pair| pair[0].strip_prefix("/// Case `")?.strip_suffix('`')).collect()
}

#[test]
fn every_case_of_the_standard_has_its_conversation() {
    let mut found = with_a_test(include_str!("cases.rs"));
    found.sort_unstable();
    let mut named = CASES.to_vec();
    named.sort_unstable();
    assert_eq!(found, named);
    let without = "/// Case `a`\nfn a() {}\n/// Case `b`\n#[test]\nfn b() {}\n#[test]\n";
    assert_eq!(with_a_test(without), ["b"]);
}
