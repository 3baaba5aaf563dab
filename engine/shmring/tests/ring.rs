//! What the two ends of a ring promise, in one process: against a plain queue, at the edges, and in a batch.
#![cfg(not(loom))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::{collections::VecDeque, sync::Arc, thread};

use proptest::prelude::*;
use rialto_shmring::{
    Consumer, Geometry, Identity, MessageBuffer, Producer, PushError, Region, Side,
    layout::{MESSAGE_BYTES_MAX, PAYLOAD_BYTES, STAMP_BYTES, START_MAX, slots_for},
};

const IDENTITY: Identity = Identity { schema: 7, generation: 3, gateway: 1 };

fn ring(slots: u32, start: u64) -> (Producer, Consumer) {
    let geometry = Geometry::starting_at(slots, start).unwrap();
    let region = Arc::new(Region::anonymous(&IDENTITY, geometry).unwrap());
    (Producer::new(Arc::clone(&region)).unwrap(), Consumer::new(region).unwrap())
}

/// A message whose every byte depends on its number; the ring's own first 8 are set, and must come out as zero.
fn message(number: u64, length: usize) -> Vec<u8> {
    let byte =
        |at: usize| number.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(at as u64).to_le_bytes()[at % 8];
    (0..length).map(byte).collect()
}

fn popped(consumer: &mut Consumer, buffer: &mut MessageBuffer) -> Option<Vec<u8>> {
    consumer.try_pop(buffer).unwrap().map(|length| buffer[..length].to_vec())
}

fn as_it_comes_out(mut message: Vec<u8>) -> Vec<u8> {
    message[..STAMP_BYTES].fill(0);
    message
}

#[test]
fn a_message_of_every_length_comes_out_as_it_went_in() {
    let (mut producer, mut consumer) = ring(64, 0);
    let mut buffer = MessageBuffer::new();
    for length in STAMP_BYTES..=MESSAGE_BYTES_MAX {
        buffer.fill(0xEE);
        producer.try_push(&message(length as u64, length)).unwrap();
        assert_eq!(popped(&mut consumer, &mut buffer), Some(as_it_comes_out(message(length as u64, length))));
        assert!(consumer.is_empty());
    }
}

#[test]
fn a_message_too_short_or_too_long_is_refused() {
    let (mut producer, consumer) = ring(64, 0);
    assert_eq!(producer.try_push(&[0; STAMP_BYTES - 1]), Err(PushError::TooShort { bytes: 7 }));
    assert_eq!(producer.try_push(&[0; MESSAGE_BYTES_MAX + 1]), Err(PushError::TooLong { bytes: 4097 }));
    assert!(consumer.is_empty());
}

#[test]
fn a_full_ring_takes_exactly_what_it_has_slots_for() {
    let (mut producer, mut consumer) = ring(64, 5);
    for number in 0..64 {
        assert_eq!(producer.free_slots(), Ok(64 - number));
        producer.try_push(&message(number as u64, STAMP_BYTES + PAYLOAD_BYTES)).unwrap();
    }
    assert_eq!(producer.try_push(&message(64, STAMP_BYTES)), Err(PushError::Full));
    let mut buffer = MessageBuffer::new();
    assert!(popped(&mut consumer, &mut buffer).is_some());
    assert_eq!(producer.try_push(&message(64, STAMP_BYTES)), Err(PushError::Full), "room is told in batches");
    consumer.release();
    assert_eq!(producer.try_push(&message(64, STAMP_BYTES + PAYLOAD_BYTES + 1)), Err(PushError::Full));
    producer.try_push(&message(64, STAMP_BYTES)).unwrap();
    assert_eq!(producer.free_slots(), Ok(0));
}

#[test]
fn a_batch_puts_in_what_fits_and_says_how_many() {
    let (mut producer, mut consumer) = ring(64, 60);
    let messages: Vec<_> = (0..70).map(|number| message(number, 128)).collect();
    assert_eq!(producer.push_batch(messages.iter().map(Vec::as_slice)), Ok(64));
    assert_eq!(producer.push_batch(messages[64..].iter().map(Vec::as_slice)), Err(PushError::Full));
    assert_eq!(producer.push_batch([]), Ok(0));
    let mut buffer = MessageBuffer::new();
    for message in &messages[..64] {
        assert_eq!(popped(&mut consumer, &mut buffer), Some(as_it_comes_out(message.clone())));
    }
    assert_eq!(popped(&mut consumer, &mut buffer), None);
    assert_eq!(
        producer.push_batch([&messages[64][..], &[1], &messages[65][..]]),
        Ok(1),
        "a batch ends at a bad message"
    );
    assert_eq!(popped(&mut consumer, &mut buffer), Some(as_it_comes_out(messages[64].clone())));
    assert_eq!(popped(&mut consumer, &mut buffer), None);
}

#[test]
fn a_batch_whose_maker_panics_ends_there() {
    let (mut producer, mut consumer) = ring(64, 0);
    let messages: Vec<_> = (0..2).map(|number| message(number, 300)).collect();
    let batch = (0..3).map(|number| messages.get(number).expect("planted").as_slice());
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| producer.push_batch(batch))).unwrap_err();
    let mut buffer = MessageBuffer::new();
    producer.try_push(&message(2, 200)).unwrap();
    for (number, length) in [(0, 300), (1, 300), (2, 200)] {
        assert_eq!(popped(&mut consumer, &mut buffer), Some(as_it_comes_out(message(number, length))));
    }
    assert_eq!(popped(&mut consumer, &mut buffer), None);
}

#[test]
fn an_end_of_a_ring_is_taken_once() {
    let region = Arc::new(Region::anonymous(&IDENTITY, Geometry::new(64).unwrap()).unwrap());
    assert_eq!(region.taken_by(Side::Producer), None);
    let producer = Producer::new(Arc::clone(&region)).unwrap();
    let consumer = Consumer::new(Arc::clone(&region)).unwrap();
    assert_eq!(region.taken_by(Side::Producer), Some(std::process::id()));
    drop((producer, consumer));
    assert_eq!(Producer::new(Arc::clone(&region)).unwrap_err().side, Side::Producer);
    assert_eq!(Consumer::new(region).unwrap_err().side, Side::Consumer);
}

#[test]
fn slots_are_a_power_of_two_in_range() {
    for slots in [0, 1, 32, 63, 65, 96, (1 << 20) + 1, 1 << 21, u32::MAX] {
        assert_eq!(Geometry::new(slots).unwrap_err().slots, slots);
    }
    assert!(Geometry::new(64).is_ok() && Geometry::new(1 << 20).is_ok());
    assert!(Geometry::starting_at(64, START_MAX + 1).is_err());
}

#[test]
fn two_threads_hand_over_every_message_in_order() {
    const MESSAGES: u64 = 50_000;
    let (mut producer, mut consumer) = ring(1024, (1 << 48) - 5000);
    let length_of = |number: u64| STAMP_BYTES + usize::try_from(number * 31 % 300).unwrap();
    let sender = thread::spawn(move || {
        for number in 0..MESSAGES {
            let message = message(number, length_of(number));
            while let Err(error) = producer.try_push(&message) {
                assert_eq!(error, PushError::Full);
                thread::yield_now();
            }
        }
    });
    let mut buffer = MessageBuffer::new();
    for number in 0..MESSAGES {
        let length = loop {
            match consumer.try_pop(&mut buffer).unwrap() {
                Some(length) => break length,
                None => thread::yield_now(),
            }
        };
        assert!(buffer[..length] == as_it_comes_out(message(number, length_of(number))), "message {number}");
    }
    sender.join().unwrap();
    assert_eq!(consumer.try_pop(&mut buffer), Ok(None));
}

/// One step of a random life.
#[derive(Clone, Debug)]
enum Step {
    Push(usize),
    Batch(Vec<usize>),
    Pop(u8),
    Release,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length =
        prop_oneof![4 => STAMP_BYTES..=128_usize, 2 => 120..=380_usize, 1 => STAMP_BYTES..=MESSAGE_BYTES_MAX];
    let step = prop_oneof![
        4 => length.clone().prop_map(Step::Push),
        2 => prop::collection::vec(length, 0..80).prop_map(Step::Batch),
        4 => (1..80_u8).prop_map(Step::Pop),
        1 => Just(Step::Release),
    ];
    prop::collection::vec(step, 1..120)
}

fn starts() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        (1_u64 << 32) - 200..(1 << 32) + 10,
        (1_u64 << 48) - 200..(1 << 48) + 10,
        START_MAX - 10..=START_MAX
    ]
}

/// How many of the messages fit into so many slots, one after the other.
fn fitting(lengths: &[usize], free_slots: usize) -> usize {
    let used_after = lengths.iter().scan(0, |used, length| {
        *used += slots_for(*length);
        Some(*used)
    });
    used_after.take_while(|used| *used <= free_slots).count()
}

/// The twin: a plain queue, and the slots that the consumer has not yet given back.
#[derive(Default)]
struct Twin {
    queue: VecDeque<Vec<u8>>,
    pushed: u64,
}

impl Twin {
    fn next(&self, length: usize) -> Vec<u8> {
        message(self.pushed, length)
    }

    fn push(&mut self, length: usize) {
        self.queue.push_back(as_it_comes_out(self.next(length)));
        self.pushed += 1;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_ring_behaves_as_a_queue(steps in steps(), start in starts(), slots in prop_oneof![Just(64_u32), Just(128)]) {
        let (mut producer, mut consumer) = ring(slots, start);
        let (mut twin, mut buffer) = (Twin::default(), MessageBuffer::new());
        for step in steps {
            match step {
                Step::Push(length) => {
                    let fits = producer.free_slots().unwrap() >= slots_for(length);
                    let pushed = producer.try_push(&twin.next(length));
                    prop_assert_eq!(pushed, if fits { Ok(()) } else { Err(PushError::Full) });
                    if fits { twin.push(length); }
                }
                Step::Batch(lengths) => {
                    let numbers = twin.pushed..;
                    let batch: Vec<_> = numbers.zip(&lengths).map(|(number, length)| message(number, *length)).collect();
                    let fitting = fitting(&lengths, producer.free_slots().unwrap());
                    let expected = if fitting == 0 && !lengths.is_empty() { Err(PushError::Full) } else { Ok(fitting) };
                    prop_assert_eq!(producer.push_batch(batch.iter().map(Vec::as_slice)), expected);
                    lengths[..fitting].iter().for_each(|length| twin.push(*length));
                }
                Step::Pop(times) => for _ in 0..times {
                    prop_assert_eq!(consumer.is_empty(), twin.queue.is_empty());
                    prop_assert_eq!(popped(&mut consumer, &mut buffer), twin.queue.pop_front());
                },
                Step::Release => {
                    consumer.release();
                    let used: usize = twin.queue.iter().map(|message| slots_for(message.len())).sum();
                    prop_assert_eq!(producer.free_slots(), Ok(slots as usize - used));
                }
            }
        }
        while let Some(expected) = twin.queue.pop_front() {
            prop_assert_eq!(popped(&mut consumer, &mut buffer), Some(expected));
        }
        prop_assert_eq!(popped(&mut consumer, &mut buffer), None);
    }
}
