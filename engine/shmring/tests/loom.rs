//! The ring and its sleepers under loom: every interleaving, and every value that the memory model lets a load see.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p rialto-shmring --release --test loom`. A model's slot carries two words, and
//! its ring has two or four slots, so that wrapping, full and empty are all within a few steps. Not shown here: that the
//! consumer's position needs its Release and Acquire, as no load in loom sees a store that comes later in time.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

use std::time::Duration;

use loom::{
    model,
    sync::{Arc, Notify},
    thread,
};
use rialto_shmring::{
    Consumer, Doorbell, Geometry, Identity, MessageBuffer, Poisoned, Producer, PushError, Region, Side,
    layout::{PAYLOAD_BYTES, STAMP_BYTES},
};

const ONE_SLOT: usize = STAMP_BYTES + PAYLOAD_BYTES;
const TWO_SLOTS: usize = ONE_SLOT + 8;

fn ring(slots: u32, start: u64) -> (Arc<Region>, Producer, Consumer) {
    let identity = Identity { schema: 1, generation: 1, gateway: 1 };
    let region = Arc::new(Region::modelled(identity, Geometry::starting_at(slots, start).unwrap()));
    let (producer, consumer) =
        (Producer::new(region.clone()).unwrap(), Consumer::new(region.clone()).unwrap());
    (region, producer, consumer)
}

/// Explores only what up to so many preemptions can bring about, where everything would take minutes.
fn model_of_preemptions(preemptions: usize, steps: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(steps);
}

/// Every byte is the number.
fn message(number: u8, length: usize) -> Vec<u8> {
    vec![number; length]
}

fn push_until_in(producer: &mut Producer, message: &[u8]) {
    while let Err(error) = producer.try_push(message) {
        assert_eq!(error, PushError::Full);
        thread::yield_now();
    }
}

/// The next message, checked for being exactly this one.
fn expect_next(consumer: &mut Consumer, number: u8, length: usize) {
    let mut buffer = MessageBuffer::new();
    loop {
        match consumer.try_pop(&mut buffer) {
            Ok(Some(found)) => {
                assert_eq!(found, length, "length of message {number}");
                assert_eq!(buffer[..STAMP_BYTES], [0; STAMP_BYTES], "the stamp does not come out");
                assert!(
                    buffer[STAMP_BYTES..length].iter().all(|byte| *byte == number),
                    "message {number} is torn"
                );
                return;
            }
            Ok(None) => thread::yield_now(),
            Err(poisoned) => panic!("{poisoned}"),
        }
    }
}

/// All of `lengths` go through a ring of so many slots, whole and in order, and the ring is then empty and whole.
fn check_lengths(slots: u32, start: u64, lengths: &'static [usize]) {
    model(move || {
        hand_over(slots, start, lengths);
    });
}

fn hand_over(slots: u32, start: u64, lengths: &'static [usize]) {
    let (_, mut producer, mut consumer) = ring(slots, start);
    let sender = thread::spawn(move || {
        for (number, length) in (1..).zip(lengths) {
            push_until_in(&mut producer, &message(number, *length));
        }
        producer
    });
    for (number, length) in (1..).zip(lengths) {
        expect_next(&mut consumer, number, *length);
    }
    assert_eq!(consumer.try_pop(&mut MessageBuffer::new()), Ok(None));
    let mut producer = sender.join().unwrap();
    assert_eq!(producer.free_slots(), Ok(slots as usize));
}

#[test]
fn messages_come_out_in_order_as_the_ring_wraps() {
    check_lengths(2, 0, &[ONE_SLOT, STAMP_BYTES, ONE_SLOT]);
}

#[test]
fn messages_come_out_in_order_through_three_laps() {
    model_of_preemptions(2, || {
        hand_over(2, 0, &[ONE_SLOT, STAMP_BYTES, ONE_SLOT, ONE_SLOT, STAMP_BYTES, ONE_SLOT])
    });
}

#[test]
fn the_stamps_index_may_wrap() {
    check_lengths(2, (1 << 48) - 2, &[ONE_SLOT, ONE_SLOT, ONE_SLOT]);
}

#[test]
fn a_message_of_two_slots_wraps_around_the_end_whole() {
    check_lengths(4, 3, &[TWO_SLOTS, ONE_SLOT, TWO_SLOTS]);
}

#[test]
fn a_message_that_fills_the_ring_waits_for_all_of_it() {
    check_lengths(2, 1, &[ONE_SLOT, TWO_SLOTS, ONE_SLOT]);
}

#[test]
fn a_batch_appears_at_once_or_not_yet() {
    model(|| {
        let (_, mut producer, mut consumer) = ring(4, 2);
        let sender = thread::spawn(move || {
            let messages = [message(1, ONE_SLOT), message(2, TWO_SLOTS), message(3, STAMP_BYTES)];
            assert_eq!(producer.push_batch(messages.iter().map(Vec::as_slice)), Ok(3));
        });
        expect_next(&mut consumer, 1, ONE_SLOT);
        let mut buffer = MessageBuffer::new();
        assert_eq!(consumer.try_pop(&mut buffer), Ok(Some(TWO_SLOTS)), "the second came with the first");
        assert!(buffer[STAMP_BYTES..TWO_SLOTS].iter().all(|byte| *byte == 2));
        assert_eq!(consumer.try_pop(&mut buffer), Ok(Some(STAMP_BYTES)), "and so did the third");
        sender.join().unwrap();
    });
}

#[test]
fn a_slot_is_not_filled_again_before_it_was_read() {
    model(|| {
        let (_, mut producer, mut consumer) = ring(2, 0);
        producer.try_push(&message(1, ONE_SLOT)).unwrap();
        producer.try_push(&message(2, ONE_SLOT)).unwrap();
        let sender = thread::spawn(move || {
            // Both outcomes occur: the consumer has made room, or not yet.
            let third = producer.try_push(&message(3, ONE_SLOT));
            assert!(matches!(third, Ok(()) | Err(PushError::Full)));
            third.is_ok()
        });
        expect_next(&mut consumer, 1, ONE_SLOT);
        expect_next(&mut consumer, 2, ONE_SLOT);
        if sender.join().unwrap() {
            expect_next(&mut consumer, 3, ONE_SLOT);
        }
        assert!(consumer.is_empty());
    });
}

/// What a matcher does: looks, announces, looks once more, sleeps. Loom calls a sleep that nobody ends a deadlock.
fn next_or_sleep(consumer: &mut Consumer, doorbell: &Doorbell) -> Result<usize, Poisoned> {
    let mut buffer = MessageBuffer::new();
    loop {
        if let Some(length) = consumer.try_pop(&mut buffer)? {
            return Ok(length);
        }
        doorbell.announce();
        if consumer.is_empty() {
            doorbell.wait(Duration::from_millis(1));
        }
        doorbell.retract();
    }
}

/// One ringer, so many messages, one sleeper.
fn check_doorbell(messages: u8) {
    let (_, mut producer, mut consumer) = ring(2, 0);
    let doorbell = Arc::new(Doorbell::modelled());
    let ringer = {
        let doorbell = doorbell.clone();
        thread::spawn(move || {
            for number in 1..=messages {
                producer.try_push(&message(number, STAMP_BYTES)).unwrap();
                doorbell.notify();
            }
        })
    };
    for _ in 0..messages {
        assert_eq!(next_or_sleep(&mut consumer, &doorbell), Ok(STAMP_BYTES));
    }
    ringer.join().unwrap();
}

#[test]
fn a_sleeper_at_the_doorbell_misses_no_message() {
    model(|| check_doorbell(1));
}

#[test]
fn a_sleeper_that_sleeps_again_misses_no_message() {
    model_of_preemptions(4, || check_doorbell(2));
}

#[test]
fn two_ringers_at_one_doorbell_cost_at_most_one_wake_each_sleep() {
    model_of_preemptions(3, || {
        let (_, first, mut first_out) = ring(2, 0);
        let (_, second, mut second_out) = ring(2, 0);
        let doorbell = Arc::new(Doorbell::modelled());
        let ringer = |mut producer: Producer| {
            let doorbell = doorbell.clone();
            thread::spawn(move || {
                producer.try_push(&message(1, STAMP_BYTES)).unwrap();
                doorbell.notify()
            })
        };
        let (first, second) = (ringer(first), ringer(second));
        let (mut got, mut sleeps, mut buffer) = (0, 0, MessageBuffer::new());
        while got < 2 {
            for consumer in [&mut first_out, &mut second_out] {
                got += usize::from(consumer.try_pop(&mut buffer).unwrap().is_some());
            }
            if got == 2 {
                break;
            }
            doorbell.announce();
            sleeps += 1;
            if first_out.is_empty() && second_out.is_empty() {
                doorbell.wait(Duration::from_millis(1));
            }
            doorbell.retract();
        }
        let wakes = usize::from(first.join().unwrap()) + usize::from(second.join().unwrap());
        assert!(wakes <= sleeps, "{wakes} wakes for {sleeps} sleeps");
    });
}

#[test]
fn a_sleeper_with_its_own_way_to_sleep_misses_no_message() {
    model(|| {
        let (region, mut producer, mut consumer) = ring(2, 0);
        // Stands for an eventfd: remembers a wake that comes before the sleep.
        let event = Arc::new(Notify::new());
        let waker = {
            let (region, event) = (region.clone(), event.clone());
            thread::spawn(move || {
                producer.try_push(&message(1, STAMP_BYTES)).unwrap();
                if region.sleep_flag(Side::Consumer).should_wake() {
                    event.notify();
                }
            })
        };
        let mut buffer = MessageBuffer::new();
        while consumer.try_pop(&mut buffer) == Ok(None) {
            region.sleep_flag(Side::Consumer).announce();
            if consumer.is_empty() {
                event.wait();
            }
            region.sleep_flag(Side::Consumer).retract();
        }
        waker.join().unwrap();
    });
}
