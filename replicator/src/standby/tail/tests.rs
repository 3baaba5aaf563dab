//! What may follow at the end of a log, and each thing that may not.

use rialto_journal::record::{self, RecordError};

use super::*;

fn command(sequence: u64, bytes: u16) -> Vec<u8> {
    let mut command = vec![0x5a; usize::from(bytes)];
    command[record::SEQUENCE_AT..][..8].copy_from_slice(&sequence.to_le_bytes());
    command[record::LENGTH_AT..][..2].copy_from_slice(&bytes.to_le_bytes());
    let crc = record::crc(&command);
    command[record::CRC_AT..][..4].copy_from_slice(&crc.to_le_bytes());
    command
}

/// A log of epoch 3 that ends behind 4000 bytes of page 5; the next command is 10; its primary is in epoch 4.
const TAIL: Tail = Tail { end: Position::at(5, 4000), next_seq: 10, epoch: 3 };

fn run(epoch: u32, at: Position, records: &[Vec<u8>]) -> Result<Tail, StreamError> {
    let mut tail = TAIL;
    let taken = tail.take_run(epoch..=4, at, &records.concat());
    assert!(taken.is_ok() || tail == TAIL, "a refused run changes nothing");
    taken.map(|last_seq| {
        assert_eq!(last_seq + 1, tail.next_seq);
        tail
    })
}

#[track_caller]
fn refused(epoch: u32, at: Position, records: &[Vec<u8>], words: &str) {
    assert_eq!(run(epoch, at, records).unwrap_err().to_string(), words);
}

#[test]
fn records_follow_where_they_fit_and_else_in_the_next_page() {
    let tail = run(3, Position::at(5, 4000), &[command(10, 40), command(11, 56)]).unwrap();
    assert_eq!(tail, Tail { end: Position::page_start(6), next_seq: 12, epoch: 3 });
    let tail = run(3, Position::at(6, 64), &[command(10, 104)]).unwrap();
    assert_eq!(tail, Tail { end: Position::at(6, 168), next_seq: 11, epoch: 3 });
}

#[test]
fn epoch_changes_only_with_a_page() {
    let tail = run(4, Position::at(6, 64), &[command(10, 104)]).unwrap();
    assert_eq!(tail.epoch, 4);
    refused(4, Position::at(5, 4000), &[command(10, 40)], "run at 5:4000 of epoch 4, only 3 belongs there");
    refused(2, Position::at(6, 64), &[command(10, 104)], "run at 6:64 of epoch 2, 3 to 4 belongs there");
    refused(5, Position::at(6, 64), &[command(10, 104)], "run at 6:64 of epoch 5, 3 to 4 belongs there");
}

#[test]
fn run_that_is_not_the_next_one_is_refused() {
    refused(3, Position::at(5, 4000), &[], "run without a record at 5:4000");
    refused(3, Position::at(5, 4008), &[command(10, 40)], "run at 5:4008, the log goes on at 5:4000");
    refused(3, Position::at(5, 3960), &[command(9, 40)], "run at 5:3960, the log goes on at 5:4000");
    refused(3, Position::at(6, 64), &[command(10, 40)], "run at 6:64, the log goes on at 5:4000");
    refused(3, Position::at(5, 4000), &[command(10, 104)], "run at 5:4000, the log goes on at 6:64");
    refused(3, Position::at(7, 64), &[command(10, 104)], "run at 7:64, the log goes on at 6:64");
}

#[test]
fn command_out_of_order_twice_or_left_out_is_refused() {
    let at = Position::at(5, 4000);
    refused(3, at, &[command(9, 40)], "at 5:4000: sequence 9, expected 10");
    refused(3, at, &[command(11, 40)], "at 5:4000: sequence 11, expected 10");
    refused(3, at, &[command(10, 40), command(10, 40)], "at 5:4040: sequence 10, expected 11");
}

#[test]
fn torn_record_is_refused() {
    let whole = [command(10, 40), command(11, 56)].concat();
    for length in 1..whole.len() {
        let taken = run(3, Position::at(5, 4000), &[whole[..length].to_vec()]);
        assert!(length == 40 || matches!(taken, Err(StreamError::Record { .. })), "{length}: {taken:?}");
    }
}

#[test]
fn corrupted_record_is_refused() {
    for bit in 0..40 * 8 {
        let mut corrupted = command(10, 40);
        corrupted[bit / 8] ^= 1 << (bit % 8);
        let taken = run(3, Position::at(5, 4000), &[corrupted]);
        // The time is stamped behind the crc, as the sequence is, which is known.
        let is_time = (8..16).contains(&(bit / 8));
        assert!(is_time == taken.is_ok(), "bit {bit}: {taken:?}");
    }
    let mut corrupted = command(10, 40);
    corrupted[39] ^= 1;
    let taken = run(3, Position::at(5, 4000), &[corrupted]);
    assert!(matches!(taken, Err(StreamError::Record { error: RecordError::Crc { .. }, .. })));
}

#[test]
fn run_never_leaves_its_page() {
    let records = [command(10, 56), command(11, 56)];
    refused(3, Position::at(5, 4000), &records, "run at 5:4000 of 112 bytes leaves its page");
}

#[test]
fn page_ends_only_where_the_log_does_and_has_records() {
    let mut tail = TAIL;
    let words = |taken: Result<(), StreamError>| taken.unwrap_err().to_string();
    assert_eq!(words(tail.close(4)), "end of page 4, the log ends at 5:4000");
    assert_eq!(words(tail.close(6)), "end of page 6, the log ends at 5:4000");
    tail.close(5).unwrap();
    assert_eq!(tail.end(), Position::page_start(6));
    assert_eq!(words(tail.close(6)), "end of page 6, the log ends at 6:0");
}
