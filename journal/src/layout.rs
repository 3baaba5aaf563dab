//! Sizes that pages, records and positions share, told once; every other size here derives from them.
//!
//! A log is an endless row of pages. A page is a header of 64 bytes, then records of at least 32 bytes that lie on
//! multiples of 8 and never cross into the next page, then zeros:
//!
//! ```text
//! 0        64                                     used                4096
//! | header | record | record | … | last record    | zeros             |
//! ```
//!
//! The fields of the page header are in `page`, those of a record in `record`. All integers are little-endian.

/// Bytes of a page. Loom explores every interleaving of every word, so its models run on the smallest useful page.
pub const PAGE_BYTES: usize = if cfg!(loom) { 128 } else { 4096 };
/// Bytes of the header that opens each page.
pub const PAGE_HEADER_BYTES: usize = 64;
/// Bytes of the header that opens each record: the smallest record there is.
pub const RECORD_HEADER_BYTES: usize = 32;
/// Records start and end on multiples of this.
pub const RECORD_ALIGN_BYTES: usize = 8;
/// The largest record: one that fills a page alone.
pub const RECORD_BYTES_MAX: usize = PAGE_BYTES - PAGE_HEADER_BYTES;
/// The most records that a page can hold.
pub const PAGE_RECORDS_MAX: usize = RECORD_BYTES_MAX / RECORD_HEADER_BYTES;

/// The bytes of one page.
pub type Page = [u8; PAGE_BYTES];
/// Who the journal belongs to: random, made once when a cluster is set up.
pub type ClusterId = [u8; 16];

const _: () = assert!(PAGE_BYTES.is_power_of_two(), "a position splits into page and offset by its bits");
const _: () = assert!(PAGE_BYTES <= 1 << 15, "`used` and every offset fit 16 bits");
const _: () = assert!(PAGE_HEADER_BYTES.is_multiple_of(RECORD_ALIGN_BYTES));
const _: () = assert!(RECORD_HEADER_BYTES.is_multiple_of(RECORD_ALIGN_BYTES));
const _: () = assert!(RECORD_BYTES_MAX >= RECORD_HEADER_BYTES);

/// The little-endian u16 at `at`, which the caller knows to be inside.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

/// The little-endian u32 at `at`, which the caller knows to be inside.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

/// The little-endian u64 at `at`, which the caller knows to be inside.
pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// The `N` bytes at `at`, which the caller knows to be inside.
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    *bytes[at..].first_chunk().expect("the caller keeps fixed fields inside checked bytes")
}

/// Puts the bytes of a field at `at`, which the caller knows to be inside.
pub(crate) fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}
