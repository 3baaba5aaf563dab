//! Pages of commands and events, whole, flipped, misplaced and made of noise.

use proptest::prelude::*;

use super::*;
use crate::layout::PAGE_RECORDS_MAX;
use crate::record;

const CLUSTER: ClusterId = *b"cluster of tests";

fn command(sequence: u64, payload_bytes: usize) -> Vec<u8> {
    let mut bytes = vec![0x11; 32 + payload_bytes];
    put(&mut bytes, record::SEQUENCE_AT, &sequence.to_le_bytes());
    let length = u16::try_from(bytes.len()).unwrap();
    put(&mut bytes, record::LENGTH_AT, &length.to_le_bytes());
    let crc = record::crc(&bytes);
    put(&mut bytes, record::CRC_AT, &crc.to_le_bytes());
    bytes
}

fn event(sequence: u64, index: u32) -> Vec<u8> {
    let mut bytes = command(sequence, 16);
    put(&mut bytes, record::CRC_AT, &index.to_le_bytes());
    bytes
}

fn page_of(page_no: u64, records: &[Vec<u8>]) -> Page {
    let mut page = [0; PAGE_BYTES];
    let mut used = PAGE_HEADER_BYTES;
    for record in records {
        put(&mut page, used, record);
        used += record.len();
    }
    let first_seq = u64_at(&records[0], 0);
    let n_records = u16::try_from(records.len()).unwrap();
    let used = u16::try_from(used).unwrap();
    PageHeader { page_no, first_seq, n_records, used, epoch: 3, ..PageHeader::default() }.write(&mut page);
    page
}

fn sealed(page_no: u64, records: &[Vec<u8>]) -> Page {
    let mut page = page_of(page_no, records);
    let chain = genesis_chain(&CLUSTER);
    seal(&mut page, &SealInputs { cluster_id: CLUSTER, durable_page: 4, committed_seq: 70, chain });
    page
}

fn commands(first: u64, count: u64) -> Vec<Vec<u8>> {
    (first..first + count).map(|sequence| command(sequence, 64)).collect()
}

#[test]
fn sealed_page_gives_back_its_records_and_fields() {
    let records = commands(71, 20);
    let page = sealed(5, &records);
    let view = verify(&page, &CLUSTER, 5).unwrap();
    view.check_commands().unwrap();
    let found: Vec<_> = view.records().map(|(_, record)| record.bytes().to_vec()).collect();
    assert_eq!(found, records);
    assert_eq!((view.header().first_seq, view.last_seq(), view.header().epoch), (71, 90, 3));
    assert_eq!((view.header().durable_page, view.header().committed_seq), (4, 70));
    assert_eq!(view.header().chain, genesis_chain(&CLUSTER));
}

#[test]
fn every_flipped_bit_of_a_sealed_page_is_found() {
    let page = sealed(5, &commands(71, 20));
    for bit in 0..PAGE_BYTES * 8 {
        let mut flipped = page;
        flipped[bit / 8] ^= 1 << (bit % 8);
        verify(&flipped, &CLUSTER, 5).unwrap_err();
        let own = (CRC_AT..FLAGS_AT).contains(&(bit / 8)) || (DURABLE_PAGE_AT..CHAIN_AT).contains(&(bit / 8));
        assert_eq!(chain_of(&flipped) == chain_of(&page), own, "bit {bit}");
    }
}

#[test]
fn chain_is_equal_on_nodes_that_differ_in_what_they_have_synced() {
    let page = sealed(5, &commands(71, 20));
    let mut elsewhere = page;
    let inputs = SealInputs {
        cluster_id: CLUSTER,
        durable_page: 1,
        committed_seq: 9,
        chain: PageHeader::read(&page).chain,
    };
    seal(&mut elsewhere, &inputs);
    assert_ne!(elsewhere, page);
    assert_eq!(chain_of(&elsewhere), chain_of(&page));
}

#[test]
fn page_of_another_place_or_cluster_is_refused() {
    let page = sealed(5, &commands(71, 20));
    assert_eq!(verify(&page, &CLUSTER, 6).unwrap_err(), PageError::PageNo { found: 5, expected: 6 });
    assert!(matches!(verify(&page, b"another cluster!", 5), Err(PageError::Crc { .. })));
    let mut moved = page;
    put(&mut moved, PAGE_NO_AT, &6u64.to_le_bytes());
    assert!(matches!(verify(&moved, &CLUSTER, 6), Err(PageError::Crc { .. })));
}

#[test]
fn blank_page_is_blank_and_no_page() {
    let blank = [0; PAGE_BYTES];
    assert!(is_blank(&blank));
    assert!(matches!(verify(&blank, &CLUSTER, 0), Err(PageError::Crc { .. })));
    assert_eq!(PageView::parse(&blank).unwrap_err(), PageError::Used(0));
}

#[test]
fn page_that_contradicts_itself_is_refused_even_if_sealed() {
    #[track_caller]
    fn check(at: usize, spoilt: u16, expected: &str) {
        let mut page = page_of(5, &commands(71, 2));
        put(&mut page, at, &spoilt.to_le_bytes());
        let chain = genesis_chain(&CLUSTER);
        seal(&mut page, &SealInputs { cluster_id: CLUSTER, durable_page: 0, committed_seq: 0, chain });
        let error = verify(&page, &CLUSTER, 5).and_then(|view| view.check_commands()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    check(N_RECORDS_AT, 3, "page holds 2 records, its header says 3");
    check(FLAGS_AT, 1, "page has unknown flags 0001, pad 0000");
    check(PAD_AT, 1, "page has unknown flags 0000, pad 0001");
    check(256, 1, "page has a byte that is not zero at 256, behind its last record");
    check(USED_AT, 252, "page has 252 bytes in use, no multiple of 8 from 64 to 4096");
    check(USED_AT, 4104, "page has 4104 bytes in use, no multiple of 8 from 64 to 4096");
    check(USED_AT, 248, "page has a byte that is not zero at 248, behind its last record");
    check(FIRST_SEQ_AT, 70, "at 64: sequence 71, expected 70");
    check(160 + record::SEQUENCE_AT, 73, "at 160: sequence 73, expected 72");
    check(160 + record::LENGTH_AT, 31, "at 160: record length 31 is no multiple of 8 from 32 to 4032");
    check(160 + record::LENGTH_AT, 104, "at 160: record cut short: 96 of 104 bytes");
    check(160 + record::CRC_AT, 1, "at 160: record crc is 701b0001, its bytes give 701bd857");
}

#[test]
fn events_count_up_within_their_command() {
    #[track_caller]
    fn check(events: &[(u64, u32)], expected: Result<(), PageError>) {
        let events: Vec<_> = events.iter().map(|&(sequence, index)| event(sequence, index)).collect();
        let page = sealed(9, &events);
        assert_eq!(verify(&page, &CLUSTER, 9).unwrap().check_events(), expected);
    }
    check(&[(7, 4), (7, 5), (9, 0), (9, 1), (10, 0)], Ok(()));
    check(&[(7, 0), (7, 2)], Err(PageError::EventIndex { offset: 112, found: 2, expected: 1 }));
    check(&[(7, 0), (8, 1)], Err(PageError::EventIndex { offset: 112, found: 1, expected: 0 }));
    check(&[(7, 0), (6, 0)], Err(PageError::Sequence { offset: 112, found: 6, expected: 7 }));
}

proptest! {
    #[test]
    fn any_bytes_are_a_page_or_an_error(noise in any::<u64>(), used: u16, lengths in prop::collection::vec(any::<u8>(), 60)) {
        let mut page = [0; PAGE_BYTES];
        for (at, byte) in page.iter_mut().enumerate() {
            *byte = xxhash_rust::xxh3::xxh3_64_with_seed(&at.to_le_bytes(), noise).to_le_bytes()[0];
        }
        put(&mut page, USED_AT, &(used % 4104).to_le_bytes());
        let mut at = PAGE_HEADER_BYTES;
        for length in lengths {
            if at + 32 > PAGE_BYTES {
                break;
            }
            put(&mut page, at + record::LENGTH_AT, &u16::from(length).to_le_bytes());
            at += usize::from(length).max(8);
        }
        let walked = Records::up_to(&page, usize::from(used)).count();
        prop_assert!(walked <= PAGE_RECORDS_MAX + 1);
        if let Ok(view) = PageView::parse(&page) {
            prop_assert_eq!(view.records().count(), usize::from(view.header().n_records));
        }
        prop_assert!(verify(&page, &CLUSTER, 5).is_err());
    }

    #[test]
    fn header_reads_back_as_written(page_no: u64, first_seq: u64, epoch: u32, used: u16, n_records: u16, chain: Chain) {
        let header = PageHeader { page_no, first_seq, epoch, used, n_records, chain, crc: 9, ..PageHeader::default() };
        let mut page = [0xff; PAGE_BYTES];
        header.write(&mut page);
        prop_assert_eq!(PageHeader::read(&page), header);
    }
}
