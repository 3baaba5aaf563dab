//! What a faulty or hostile peer can do: make a ring refused or poisoned, and nothing else. Never a crash, never a wait.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{
    fs::{self, OpenOptions},
    os::unix::fs::{FileExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use proptest::prelude::*;
use rialto_shmring::{
    Cause, Consumer, Doorbell, Field, Geometry, Identity, MessageBuffer, Producer, PushError, Region,
    RegionError, Wait,
    layout::{HEADER_BYTES, LAYOUT_VERSION, MESSAGE_BYTES_MAX, SLOT_BYTES},
};
use tempfile::TempDir;

const IDENTITY: Identity = Identity { schema: 0xABCD, generation: 9, gateway: 2 };
const SLOTS: u32 = 64;
const RING_BYTES: usize = HEADER_BYTES + SLOTS as usize * SLOT_BYTES;

// Where fields lie in the file, as the layout's drawing says.
const AT_VERSION: u64 = 8;
const AT_SLOTS: u64 = 32;
const AT_STATE: u64 = 64;
const AT_CONSUMER_POSITION: u64 = 128;

fn new_ring() -> (TempDir, PathBuf, Region) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gateway-2.ring");
    let region = Region::create(&path, &IDENTITY, Geometry::new(SLOTS).unwrap()).unwrap();
    (directory, path, region)
}

fn attach(path: &Path) -> Result<Region, RegionError> {
    Region::attach(path, &IDENTITY, Instant::now())
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    OpenOptions::new().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

fn slot_at(number: u64) -> u64 {
    HEADER_BYTES as u64 + number * SLOT_BYTES as u64
}

#[test]
fn an_attached_ring_carries_messages_between_its_two_mappings() {
    let (_directory, path, region) = new_ring();
    let attached = attach(&path).unwrap();
    assert_eq!(*attached.identity(), IDENTITY);
    assert_eq!((attached.geometry(), attached.creator()), (region.geometry(), region.creator()));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut producer = Producer::new(Arc::new(attached)).unwrap();
    let mut consumer = Consumer::new(Arc::new(region)).unwrap();
    producer.try_push(b"stamped.hello").unwrap();
    let mut buffer = MessageBuffer::new();
    assert_eq!(consumer.try_pop(&mut buffer), Ok(Some(13)));
    assert_eq!(&buffer[..13], b"\0\0\0\0\0\0\0\0hello");
}

#[test]
fn a_ring_that_is_not_the_expected_one_is_refused_with_both_values() {
    let (_directory, path, _region) = new_ring();
    let check = |expected: Identity, words: &str| {
        let refusal = Region::attach(&path, &expected, Instant::now()).unwrap_err().to_string();
        assert!(refusal.contains(words) && refusal.contains("gateway-2.ring"), "{refusal}");
    };
    check(Identity { schema: 0xABCE, ..IDENTITY }, "record schema is 0xabcd, expected 0xabce");
    check(Identity { generation: 10, ..IDENTITY }, "generation is 0x9, expected 0xa");
    check(Identity { gateway: 3, ..IDENTITY }, "gateway is 0x2, expected 0x3");
    overwrite(&path, AT_VERSION, &(LAYOUT_VERSION + 1).to_le_bytes());
    check(IDENTITY, "layout version is 0x2, expected 0x1");
    overwrite(&path, 0, b"TORIALRG");
    check(IDENTITY, "magic is");
}

#[test]
fn a_ring_whose_slots_do_not_match_its_length_is_refused() {
    let (_directory, path, _region) = new_ring();
    overwrite(&path, AT_SLOTS, &128_u32.to_le_bytes());
    assert!(matches!(attach(&path), Err(RegionError::Different { field: Field::FileBytes, .. })));
    overwrite(&path, AT_SLOTS, &65_u32.to_le_bytes());
    assert!(matches!(attach(&path), Err(RegionError::Shape { .. })));
}

#[test]
fn a_ring_that_is_still_being_made_is_waited_for_until_the_deadline() {
    let (directory, path, _region) = new_ring();
    overwrite(&path, AT_STATE, &0_u32.to_le_bytes());
    assert!(matches!(attach(&path), Err(RegionError::NotReady { .. })));
    let late = directory.path().join("late.ring");
    assert!(matches!(attach(&late), Err(RegionError::NotReady { .. })));
    let maker = std::thread::spawn({
        let late = late.clone();
        move || Region::create(&late, &IDENTITY, Geometry::new(SLOTS).unwrap()).unwrap()
    });
    Region::attach(&late, &IDENTITY, Instant::now() + Duration::from_secs(10)).unwrap();
    maker.join().unwrap();
}

#[test]
fn a_ring_is_never_made_over_a_file_or_through_a_link() {
    let (directory, path, _region) = new_ring();
    let geometry = Geometry::new(SLOTS).unwrap();
    assert!(matches!(Region::create(&path, &IDENTITY, geometry), Err(RegionError::System { .. })));
    attach(&path).expect("the first ring is untouched");
    let link = directory.path().join("link.ring");
    symlink(directory.path().join("elsewhere"), &link).unwrap();
    assert!(Region::create(&link, &IDENTITY, geometry).is_err());
    assert!(!directory.path().join("elsewhere").exists());
    fs::remove_file(&link).unwrap();
    symlink(&path, &link).unwrap();
    assert!(matches!(attach(&link), Err(RegionError::System { .. })));
    assert!(matches!(attach(directory.path()), Err(RegionError::System { .. })));
}

#[test]
fn a_stamp_of_no_lap_poisons_the_ring_for_both_sides() {
    let (_directory, path, region) = new_ring();
    let region = Arc::new(region);
    let (mut producer, mut consumer) =
        (Producer::new(region.clone()).unwrap(), Consumer::new(region.clone()).unwrap());
    overwrite(&path, slot_at(0), &0x0010_0000_0000_0007_u64.to_le_bytes());
    let mut buffer = MessageBuffer::new();
    assert!(!consumer.is_empty(), "so that the pop tells");
    let poisoned = consumer.try_pop(&mut buffer).unwrap_err();
    assert_eq!(poisoned.cause, Cause::Stamp { found: 0x0010_0000_0000_0007 });
    overwrite(&path, slot_at(0), &0x0010_0000_0000_0001_u64.to_le_bytes());
    assert_eq!(consumer.try_pop(&mut buffer), Err(poisoned), "and it stays so");
    assert!(region.is_given_up());
    assert_eq!(producer.free_slots().unwrap_err().cause, Cause::Peer);
    assert!(matches!(producer.try_push(&[0; 8]), Err(PushError::Poisoned(_))));
    assert!(matches!(attach(&path), Err(RegionError::GivenUp { .. })));
}

#[test]
fn a_message_without_its_continuation_poisons_the_ring() {
    let (_directory, path, region) = new_ring();
    let region = Arc::new(region);
    let (mut producer, mut consumer) =
        (Producer::new(region.clone()).unwrap(), Consumer::new(region).unwrap());
    producer.try_push(&[1; 300]).unwrap();
    overwrite(&path, slot_at(1), &0_u64.to_le_bytes());
    let poisoned = consumer.try_pop(&mut MessageBuffer::new()).unwrap_err();
    assert_eq!(poisoned.cause, Cause::Continuation { found: 0, expected: 0xFFFF_0000_0000_0002 });
}

#[test]
fn a_consumer_that_goes_back_or_ahead_poisons_the_ring() {
    for said in [0_u64, 3, u64::MAX] {
        let (_directory, path, region) = new_ring();
        let mut producer = Producer::new(Arc::new(region)).unwrap();
        producer.push_batch([&[0_u8; 8][..]; 2]).unwrap();
        overwrite(&path, AT_CONSUMER_POSITION, &1_u64.to_le_bytes());
        assert_eq!(producer.free_slots(), Ok(63));
        overwrite(&path, AT_CONSUMER_POSITION, &said.to_le_bytes());
        let poisoned = producer.free_slots().unwrap_err();
        assert_eq!(poisoned.cause, Cause::Position { found: said, low: 1, high: 2 });
        assert_eq!(producer.try_push(&[0; 8]), Err(PushError::Poisoned(poisoned)));
    }
}

#[test]
fn a_doorbell_wakes_across_mappings_and_lets_nobody_sleep_past_the_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("doorbell");
    let sleeper = Doorbell::create(&path, 9).unwrap();
    let ringer = Doorbell::attach(&path, 9, Instant::now()).unwrap();
    assert!(matches!(Doorbell::attach(&path, 8, Instant::now()), Err(RegionError::Different { .. })));
    assert!(!ringer.notify(), "nobody sleeps");
    sleeper.announce();
    assert_eq!(sleeper.wait(Duration::from_millis(1)), Wait::TimedOut);
    assert!(ringer.notify());
    assert!(!ringer.notify(), "one wake for each announcement");
    assert_eq!(sleeper.wait(Duration::from_hours(1)), Wait::Rung, "it was rung before the sleep");
    sleeper.announce();
    let ringing = std::thread::spawn(move || ringer.notify());
    assert_eq!(sleeper.wait(Duration::from_hours(1)), Wait::Rung);
    assert!(ringing.join().unwrap());
    sleeper.retract();
}

/// Attaches whatever the file holds and uses both ends for a while. Only answers may come back.
fn check_file(bytes: &[u8]) -> Result<(), TestCaseError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("any.ring");
    fs::write(&path, bytes).unwrap();
    let _doorbell = Doorbell::attach(&path, 0, Instant::now());
    let Ok(region) = attach(&path) else { return Ok(()) };
    let region = Arc::new(region);
    let mut buffer = MessageBuffer::new();
    if let Ok(mut consumer) = Consumer::new(region.clone()) {
        for _ in 0..2 * SLOTS {
            let empty = consumer.is_empty();
            match consumer.try_pop(&mut buffer) {
                Ok(Some(length)) => prop_assert!((8..=MESSAGE_BYTES_MAX).contains(&length) && !empty),
                Ok(None) => prop_assert!(empty),
                Err(poisoned) => prop_assert_eq!(consumer.try_pop(&mut buffer), Err(poisoned)),
            }
        }
    }
    if let Ok(mut producer) = Producer::new(region) {
        for number in 0..2 * SLOTS as usize {
            let pushed = producer.try_push(&vec![1; 8 + number * 31]);
            prop_assert!(matches!(pushed, Ok(()) | Err(PushError::Full | PushError::Poisoned(_))));
        }
    }
    Ok(())
}

/// A good ring's file with a few messages in it.
fn good_file() -> Vec<u8> {
    let (_directory, path, region) = new_ring();
    let mut producer = Producer::new(Arc::new(region)).unwrap();
    for length in [8, 128, 129, 500, 4096] {
        producer.try_push(&vec![0xC3; length]).unwrap();
    }
    // The ends are free again, so that this file's reader may take both.
    overwrite(&path, 256, &[0; 128]);
    fs::read(path).unwrap()
}

/// Anywhere, but mostly where it hurts: the header's fields and the stamps.
fn offsets() -> impl Strategy<Value = usize> {
    prop_oneof![2 => 0..136_usize, 3 => (0..SLOTS as usize, 0..8_usize).prop_map(|(slot, byte)| HEADER_BYTES + slot * SLOT_BYTES + byte), 1 => 0..RING_BYTES]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_bytes_as_a_ring_are_answered(bytes in prop::collection::vec(any::<u8>(), 0..RING_BYTES + 200)) {
        check_file(&bytes)?;
    }

    #[test]
    fn any_damage_to_a_ring_is_answered(
        damage in prop::collection::vec((offsets(), any::<u8>()), 0..6),
        words in prop::collection::vec((0..SLOTS as usize, any::<u64>()), 0..3),
        cut in prop_oneof![4 => Just(RING_BYTES), 1 => 0..RING_BYTES],
    ) {
        let mut bytes = good_file();
        for (offset, byte) in damage { bytes[offset] = byte; }
        for (slot, stamp) in words {
            bytes[HEADER_BYTES + slot * SLOT_BYTES..][..8].copy_from_slice(&stamp.to_le_bytes());
        }
        bytes.truncate(cut);
        check_file(&bytes)?;
    }

    #[test]
    fn any_consumer_position_is_answered(said in any::<u64>(), near in 0..80_u64, choose_near in any::<bool>()) {
        let mut bytes = good_file();
        let position = if choose_near { near } else { said };
        bytes[128..136].copy_from_slice(&position.to_le_bytes());
        check_file(&bytes)?;
    }
}
