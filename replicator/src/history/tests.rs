//! The rule against a naive comparison of whole histories, page by page.

use proptest::prelude::*;

use super::*;

/// A log as a list of pages, each told by its epoch. What a page holds follows from its epoch and place, for an epoch has
/// one writer: so two pages are the same if these are.
type Naive = Vec<u32>;

fn table(pages: &Naive) -> Vec<EpochStart> {
    let mut rows: Vec<EpochStart> = Vec::new();
    for (page_no, epoch) in (0..).zip(pages) {
        if rows.last().is_none_or(|row| row.epoch != *epoch) {
            rows.push(EpochStart { epoch: *epoch, page_no, first_seq: page_no * 10 + 1 });
        }
    }
    rows
}

fn met(mine: &Naive, theirs: &Naive) -> Option<u64> {
    let (mine_rows, theirs_rows) = (table(mine), table(theirs));
    let end = |pages: &Naive| u64::try_from(pages.len()).unwrap();
    let mine = History { epochs: &mine_rows, end_page: end(mine) };
    let theirs = History { epochs: &theirs_rows, end_page: end(theirs) };
    assert!(mine.is_sound() && theirs.is_sound());
    meet(&mine, &theirs)
}

#[track_caller]
fn check(mine: &[u32], theirs: &[u32], expected: Option<u64>) {
    assert_eq!(met(&mine.to_vec(), &theirs.to_vec()), expected);
}

#[test]
fn standby_that_lags_goes_on_at_its_end() {
    check(&[1, 1, 1, 2, 2], &[1, 1], Some(2));
    check(&[1, 1, 1], &[1, 1, 1], Some(3));
    check(&[1, 1, 1], &[], Some(0));
    check(&[], &[], Some(0));
}

#[test]
fn old_primarys_pages_behind_the_next_epochs_start_are_not_common() {
    check(&[1, 1, 2, 2], &[1, 1, 1, 1, 1], Some(2));
    check(&[1, 1, 3, 3], &[1, 1, 2, 2, 2], Some(2));
}

#[test]
fn logs_of_equal_length_and_different_epochs_meet_where_these_part() {
    check(&[1, 1, 3, 3], &[1, 1, 2, 2], Some(2));
    check(&[1, 3, 3, 3], &[1, 1, 2, 2], Some(1));
    check(&[2, 2], &[1, 1], None);
}

#[test]
fn logs_that_share_no_epoch_never_meet_unless_the_standby_is_empty() {
    check(&[], &[1, 1], None);
    check(&[2], &[1], None);
}

#[test]
fn epoch_of_one_number_that_begins_elsewhere_is_another_one() {
    check(&[1, 1, 2], &[1, 2, 2], Some(1));
    let row = |first_seq| EpochStart { epoch: 1, page_no: 0, first_seq };
    let (mine, theirs) = ([row(1)], [row(2)]);
    let history = |epochs| History { epochs, end_page: 4 };
    assert_eq!(meet(&history(&mine), &history(&theirs)), None);
}

#[test]
fn tables_that_no_log_has_are_unsound() {
    let row = |epoch, page_no, first_seq| EpochStart { epoch, page_no, first_seq };
    let sound = |epochs: &[EpochStart]| History { epochs, end_page: 9 }.is_sound();
    assert!(sound(&[row(1, 0, 1), row(2, 9, 5)]));
    assert!(!sound(&[row(1, 0, 1), row(2, 10, 5)]), "begins behind the end");
    assert!(!sound(&[row(2, 0, 1), row(1, 3, 5)]), "epochs fall");
    assert!(!sound(&[row(1, 3, 1), row(2, 3, 5)]), "an epoch without a page");
    assert!(!sound(&[row(1, 0, 5), row(2, 3, 5)]), "a page without a record");
}

#[test]
fn page_is_of_the_last_epoch_that_began_before_it() {
    let rows = table(&vec![0, 0, 4, 4, 5]);
    let history = History { epochs: &rows[1..], end_page: 5 };
    assert_eq!(
        [0, 1, 2, 3, 4, 90].map(|page_no| history.epoch_of(page_no)),
        [None, None, Some(4), Some(4), Some(5), Some(5)]
    );
}

/// A shared beginning, then each side's own: the last shared epoch may go on on one side, later epochs have numbers that
/// the other side never uses.
fn histories() -> impl Strategy<Value = (Naive, Naive)> {
    let lengths = || prop::collection::vec(1..5usize, 0..5);
    (lengths(), lengths(), lengths(), 0..6usize, any::<bool>()).prop_map(
        |(shared, mine, theirs, more, mine_goes_on)| {
            let epochs = |lengths: &[usize], from: u32, step: u32| -> Naive {
                (0..).zip(lengths).flat_map(|(n, pages)| vec![from + n * step; *pages]).collect()
            };
            let shared = epochs(&shared, 1, 1);
            let (mut a, mut b) = (shared.clone(), shared.clone());
            let goes_on = if mine_goes_on { &mut a } else { &mut b };
            goes_on.extend(shared.last().into_iter().flat_map(|epoch| vec![*epoch; more]));
            a.extend(epochs(&mine, 100, 2));
            b.extend(epochs(&theirs, 101, 2));
            (a, b)
        },
    )
}

fn naive(mine: &Naive, theirs: &Naive) -> u64 {
    u64::try_from(mine.iter().zip(theirs).take_while(|(mine, theirs)| mine == theirs).count()).unwrap()
}

proptest! {
    #[test]
    fn logs_meet_exactly_where_a_comparison_of_all_pages_says((mine, theirs) in histories()) {
        let expected = naive(&mine, &theirs);
        match met(&mine, &theirs) {
            Some(found) => prop_assert_eq!(found, expected),
            None => prop_assert!(expected == 0 && !theirs.is_empty()),
        }
        prop_assert_eq!(met(&mine, &theirs).unwrap_or(0), met(&theirs, &mine).unwrap_or(0));
    }

    #[test]
    fn oldest_rows_missing_on_one_side_never_make_too_much_common(
        (mine, theirs) in histories(),
        missing in 0..8usize,
    ) {
        let (rows, theirs_rows) = (table(&mine), table(&theirs));
        let end = |pages: &Naive| u64::try_from(pages.len()).unwrap();
        let a = History { epochs: &rows[missing.min(rows.len())..], end_page: end(&mine) };
        let b = History { epochs: &theirs_rows, end_page: end(&theirs) };
        prop_assert!(meet(&a, &b).unwrap_or(0) <= naive(&mine, &theirs));
        prop_assert!(meet(&b, &a).unwrap_or(0) <= naive(&mine, &theirs));
    }
}
