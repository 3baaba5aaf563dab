//! A faulty gateway: any bytes as the file of a ring, and any records in a sound one.
//!
//! Promised: the file is attached or refused, its two ends answer or are poisoned and stay so; a record is a command that
//! is read back as it is written, or malformed; and the matcher goes on, with money that adds up, whatever it is sent.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use rialto_protocol::record::{Malformed, check_crc};
use rialto_protocol::{Command, Event, Header, RecordBuffer};
use rialto_shmring::{Consumer, Doorbell, Geometry, Identity, MessageBuffer, Producer, PushError, Region};

use crate::bytes::Bytes;
use crate::matching::records;

const IDENTITY: Identity = Identity { schema: 7, generation: 9, gateway: 2 };
const SLOTS: u32 = 64;
/// Where the two words lie that say which process has an end: free, so that a reader may take both.
const CLAIMS: std::ops::Range<usize> = 256..384;

/// The first byte decides: a file as it is, a sound ring's file with changes, or records for a matcher.
pub fn ring_records(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    match bytes.byte() % 3 {
        0 => ring_file(bytes.0),
        1 => {
            let mut file = sound_file();
            while !bytes.is_empty() {
                let at = bytes.below(file.len());
                let change = usize::from(bytes.byte() % 16) + 1;
                for (byte, to) in file[at..].iter_mut().zip(bytes.take(change)) {
                    *byte = *to;
                }
            }
            ring_file(&file);
        }
        _ => records(&mut bytes),
    }
}

/// A path in shared memory that nobody else uses.
fn new_path() -> PathBuf {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    PathBuf::from(format!("/dev/shm/rialto-check-{}-{number}.ring", std::process::id()))
}

/// Attaches whatever the file holds and uses both ends for a while. Only answers may come back.
fn ring_file(bytes: &[u8]) {
    let path = new_path();
    fs::write(&path, bytes).expect("shared memory for a small file");
    let attached = attach(&path);
    fs::remove_file(&path).expect("it was just made");
    let Some(region) = attached else { return };
    let region = Arc::new(region);
    if let Ok(mut consumer) = Consumer::new(Arc::clone(&region)) {
        empty(&mut consumer);
    }
    if let Ok(mut producer) = Producer::new(region) {
        for number in 0..2 * SLOTS as usize {
            let pushed = producer.try_push(&vec![1; 8 + number * 31]);
            let is_answer = matches!(pushed, Ok(()) | Err(PushError::Full | PushError::Poisoned(_)));
            assert!(is_answer, "{pushed:?}");
        }
    }
}

fn attach(path: &Path) -> Option<Region> {
    let _doorbell = Doorbell::attach(path, IDENTITY.generation, Instant::now());
    match Region::attach(path, &IDENTITY, Instant::now()) {
        Ok(region) => Some(region),
        Err(error) => {
            let words = error.to_string();
            assert!(words.starts_with("/dev/shm/rialto-check-"), "an error names its file: {words}");
            None
        }
    }
}

fn empty(consumer: &mut Consumer) {
    let mut message = MessageBuffer::new();
    for _ in 0..2 * SLOTS {
        let is_empty = consumer.is_empty();
        match consumer.try_pop(&mut message) {
            Ok(Some(length)) => {
                assert!((8..=message.len()).contains(&length) && !is_empty, "{length} bytes");
                read_record(&message[..length]);
            }
            Ok(None) => assert!(is_empty, "it said that it was not"),
            Err(poisoned) => assert_eq!(consumer.try_pop(&mut message), Err(poisoned), "it stays poisoned"),
        }
    }
}

/// Reads a record as a command and as an event. A command that is read is read back as it is written.
pub(crate) fn read_record(record: &[u8]) {
    if let Ok(header) = Header::read(record) {
        assert!(matches!(check_crc(record, &header), Ok(()) | Err(Malformed::Crc { .. })));
    }
    if let Ok((header, command)) = Command::decode(record) {
        let mut buffer = RecordBuffer::default();
        command.encode(header.session, header.session_seq, &mut buffer);
        let back = Command::decode(buffer.as_bytes()).map(|(_, command)| command);
        assert_eq!(back, Ok(command), "a command is read back as it was written");
    }
    if let Ok((_, event)) = Event::decode(record) {
        assert!(!format!("{event:?}").is_empty());
    }
}

/// A sound ring's file with a few messages in it, one of them a command.
fn sound_file() -> Vec<u8> {
    let path = new_path();
    let geometry = Geometry::new(SLOTS).expect("a power of two");
    let region =
        Arc::new(Region::create(&path, &IDENTITY, geometry).expect("shared memory for a small ring"));
    let mut producer = Producer::new(region).expect("it is new");
    let mut record = RecordBuffer::default();
    Command::Tick.encode(rialto_protocol::SessionId::NONE, rialto_protocol::SessionSeq::NONE, &mut record);
    producer.try_push(record.as_bytes()).expect("there is room");
    for length in [8, 128, 129, 500, 4032] {
        producer.try_push(&vec![0xC3; length]).expect("there is room");
    }
    let mut file = fs::read(&path).expect("it was just made");
    fs::remove_file(&path).expect("it was just made");
    file[CLAIMS].fill(0);
    file
}
