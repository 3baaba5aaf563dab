//! A file in shared memory as a row of atomic words: the one place where the journal meets memory that others write.
//!
//! Invariants of the mapping, on which the `unsafe` below rests:
//! 1. A `Shared` maps `words` × 8 bytes, readable and writable, from its making until its drop, at one address.
//! 2. The kernel gives mappings whole pages, so the address is a multiple of 8.
//! 3. The memory is reached as `AtomicU64` alone, here and in every other process of the node, so that accesses at the
//!    same time are no data race. Every byte pattern is a valid word: a faulty peer can make an answer wrong, never our
//!    behaviour undefined.
//! 4. Every block of the file is allocated before it is mapped, and no file of a node is ever made shorter. (If another
//!    hand did, the kernel would stop the process with SIGBUS: a crash, not undefined behaviour.)
//!
//! 5. Who attaches a file that another process made may only read it. Rust promises relaxed atomic loads of 8 bytes on
//!    read-only memory to be sound, so every load is relaxed, an acquire fence behind it where it needs one, and stores go
//!    to `Shared::writable` words alone. So a gateway's process cannot harm the journal.
//!
//! The first line of every file says what it is and for whom:
//! ```text
//! word 0 magic   1 version   2 kind   3 file bytes   4 pages   5 page bytes
//!      6 7 cluster id   8 9 boot id   10 node   11 generation
//! ```
//! The magic is written last, so that a file which has it is complete.

#![cfg_attr(not(loom), expect(unsafe_code, reason = "memory shared with other processes"))]
#![cfg_attr(loom, expect(dead_code, reason = "a model has no files"))]

use std::fmt::{self, Display};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::atomics::{AtomicU64, Ordering, fence};
use crate::layout::{ClusterId, PAGE_BYTES};

/// Bytes of a word.
pub(crate) const WORD_BYTES: usize = 8;
/// What one thread writes and another reads stands on a line of its own: two cache lines, since they are fetched in
/// pairs.
pub(crate) const LINE_WORDS: usize = 128 / WORD_BYTES;
/// Words before a file's content: the identity's line, then lines for cursors.
pub(crate) const HEADER_WORDS: usize = if cfg!(loom) { 12 * LINE_WORDS } else { 4096 / WORD_BYTES };

const MAGIC: u64 = u64::from_le_bytes(*b"RIALTOSM");
const VERSION: u64 = 2;
const IDENTITY_WORDS: usize = 12;
const _: () = assert!(IDENTITY_WORDS <= LINE_WORDS);

/// Which run of which node a file of shared memory belongs to. After a crash, one of another run counts for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// The kernel's boot id: shared memory does not outlive it.
    pub boot_id: [u8; 16],
    /// The hash of the node's name.
    pub node: u64,
    /// The node's starts are counted; each has its own files.
    pub generation: u64,
}

impl Identity {
    /// The identity of the node with this name.
    pub fn new(cluster_id: ClusterId, boot_id: [u8; 16], node: &str, generation: u64) -> Self {
        Self { cluster_id, boot_id, node: xxh3_64(node.as_bytes()), generation }
    }
}

/// What a file of shared memory holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The log of commands.
    Commands,
    /// The log of events.
    Events,
    /// The node's cursors.
    Cursors,
}

impl Kind {
    const fn word(self) -> u64 {
        match self {
            Self::Commands => 1,
            Self::Events => 2,
            Self::Cursors => 3,
        }
    }
}

/// Why a file of shared memory could not be made or attached.
#[derive(Debug, Error)]
pub enum SharedError {
    /// The system refused.
    #[error("{path}: cannot {action}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// The file is not the one that was asked for.
    #[error("{path}: {field} is {found}, expected {expected}")]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// What differs.
        field: &'static str,
        /// The file's value.
        found: String,
        /// The value asked for.
        expected: String,
    },
}

/// Words shared with other threads and processes.
pub(crate) struct Shared {
    #[cfg(not(loom))]
    map: memmap2::MmapRaw,
    writable: bool,
    #[cfg(loom)]
    words: Box<[AtomicU64]>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("words", &self.words().len()).finish()
    }
}

#[cfg(not(loom))]
impl Shared {
    /// A new file of this many words, all zero, and its blocks allocated.
    pub(crate) fn create(path: &Path, words: usize) -> Result<Self, SharedError> {
        use std::os::unix::fs::OpenOptionsExt;

        let failed =
            |action| move |source: io::Error| SharedError::Io { path: path.to_owned(), action, source };
        let mut options = std::fs::OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = options.open(path).map_err(failed("create"))?;
        let bytes = (words * WORD_BYTES) as u64;
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)
            .map_err(|errno| failed("allocate")(errno.into()))?;
        let map = memmap2::MmapOptions::new().populate().map_raw(&file).map_err(failed("map"))?;
        Ok(Self { map, writable: true })
    }

    /// The file that is there, of whatever size, to be read.
    pub(crate) fn open(path: &Path) -> Result<Self, SharedError> {
        let failed =
            |action| move |source: io::Error| SharedError::Io { path: path.to_owned(), action, source };
        let file = std::fs::File::open(path).map_err(failed("open"))?;
        let bytes = file.metadata().map_err(failed("measure"))?.len();
        let whole = bytes >= (HEADER_WORDS * WORD_BYTES) as u64 && bytes.is_multiple_of(WORD_BYTES as u64);
        if !whole {
            return Err(mismatch(path, "size", bytes, "a header's at least, in words"));
        }
        let map = memmap2::MmapOptions::new().populate().map_raw_read_only(&file).map_err(failed("map"))?;
        Ok(Self { map, writable: false })
    }

    /// Memory of this process alone, all zero: for tests, and for nodes that are threads of one.
    pub(crate) fn anonymous(words: usize) -> io::Result<Self> {
        let map = memmap2::MmapOptions::new().len(words * WORD_BYTES).map_anon()?;
        Ok(Self { map: map.into(), writable: true })
    }

    /// All words, to be loaded.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        let first: *const AtomicU64 = self.map.as_ptr().cast();
        // SAFETY: `first` is aligned (2) and starts len / 8 words that stay mapped while `self` is borrowed (1); they are
        // valid as AtomicU64 and nobody reaches them as anything else (3), made so by this being the only way to the map.
        unsafe { std::slice::from_raw_parts(first, self.map.len() / WORD_BYTES) }
    }
}

#[cfg(loom)]
impl Shared {
    /// Words of the model.
    pub(crate) fn anonymous(words: usize) -> io::Result<Self> {
        Ok(Self { writable: true, words: (0..words).map(|_| AtomicU64::new(0)).collect() })
    }

    /// All words, to be loaded.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        &self.words
    }
}

impl Shared {
    /// All words, to be stored to. Panics if the file was attached.
    #[inline]
    pub(crate) fn writable(&self) -> &[AtomicU64] {
        assert!(self.writable, "an attached file is only read");
        self.words()
    }
}

/// Words stored or loaded in one turn of a loop. The compiler does not unroll loops over atomics: by one word a turn, a
/// page's copy takes twice as long.
const TURN_WORDS: usize = 4;
const TURN_BYTES: usize = TURN_WORDS * WORD_BYTES;

/// Stores whole words from the front of `words` on. Panics if there are fewer.
#[inline]
pub(crate) fn store(words: &[AtomicU64], bytes: &[u8]) {
    let store = |word: &AtomicU64, bytes: &[u8; WORD_BYTES]| {
        word.store(u64::from_ne_bytes(*bytes), Ordering::Relaxed);
    };
    let (turns, rest) = bytes.as_chunks::<TURN_BYTES>();
    let (words, words_rest) = words[..bytes.len() / WORD_BYTES].as_chunks::<TURN_WORDS>();
    for (words, bytes) in words.iter().zip(turns) {
        let bytes = bytes.as_chunks().0;
        for at in 0..TURN_WORDS {
            store(&words[at], &bytes[at]);
        }
    }
    for (word, bytes) in words_rest.iter().zip(rest.as_chunks().0) {
        store(word, bytes);
    }
}

/// Loads whole words from the front of `words` on. Panics if there are fewer.
#[inline]
pub(crate) fn load(words: &[AtomicU64], bytes: &mut [u8]) {
    let load = |word: &AtomicU64, bytes: &mut [u8; WORD_BYTES]| {
        *bytes = word.load(Ordering::Relaxed).to_ne_bytes();
    };
    let (words, words_rest) = words[..bytes.len() / WORD_BYTES].as_chunks::<TURN_WORDS>();
    let (turns, rest) = bytes.as_chunks_mut::<TURN_BYTES>();
    for (words, bytes) in words.iter().zip(turns) {
        let bytes = bytes.as_chunks_mut().0;
        for at in 0..TURN_WORDS {
            load(&words[at], &mut bytes[at]);
        }
    }
    for (word, bytes) in words_rest.iter().zip(rest.as_chunks_mut().0) {
        load(word, bytes);
    }
}

/// Loads a word and with it all that was stored before its Release store, also on read-only memory.
pub(crate) fn load_acquire(word: &AtomicU64) -> u64 {
    let value = word.load(Ordering::Relaxed);
    // Pairs with the Release store of the word; each caller names it.
    fence(Ordering::Acquire);
    value
}

/// The first line of a file, as written and as checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FileLine {
    pub(crate) identity: Identity,
    pub(crate) kind: Kind,
    pub(crate) pages: u64,
}

impl FileLine {
    /// Marks a new file as complete and as ours.
    pub(crate) fn write(&self, words: &[AtomicU64]) {
        for (word, value) in words.iter().zip(self.words(words.len())).skip(1) {
            word.store(value, Ordering::Relaxed);
        }
        // Pairs with the acquiring load in `check`: who sees the magic sees the identity, and what was made before it.
        words[0].store(MAGIC, Ordering::Release);
    }

    /// That a file is the one asked for.
    pub(crate) fn check(&self, path: &Path, words: &[AtomicU64]) -> Result<(), SharedError> {
        // Pairs with the Release in `write`.
        let magic = load_acquire(&words[0]);
        if magic != MAGIC {
            return Err(mismatch(path, "magic", format!("{magic:016x}"), format!("{MAGIC:016x}")));
        }
        let expected = self.words(words.len());
        for (index, (word, expected)) in words.iter().zip(expected).enumerate() {
            let found = word.load(Ordering::Relaxed);
            if found != expected {
                let (found, expected) = (format!("{found:#x}"), format!("{expected:#x}"));
                return Err(mismatch(path, FIELDS[index], found, expected));
            }
        }
        Ok(())
    }

    fn words(&self, words: usize) -> [u64; IDENTITY_WORDS] {
        let Identity { cluster_id, boot_id, node, generation } = self.identity;
        let (cluster, boot) = (halves(cluster_id), halves(boot_id));
        let bytes = (words * WORD_BYTES) as u64;
        let [kind, page_bytes] = [self.kind.word(), PAGE_BYTES as u64];
        [
            MAGIC, VERSION, kind, bytes, self.pages, page_bytes, cluster[0], cluster[1], boot[0], boot[1],
            node, generation,
        ]
    }
}

const FIELDS: [&str; IDENTITY_WORDS] = [
    "magic",
    "version",
    "kind",
    "size",
    "page count",
    "page size",
    "cluster id",
    "cluster id",
    "boot id",
    "boot id",
    "node",
    "generation",
];

/// The number of pages that a log file of ours says it has; whether it is ours is checked later.
pub(crate) fn pages_word(words: &[AtomicU64]) -> u64 {
    words[4].load(Ordering::Relaxed)
}

/// An error that names both values.
pub(crate) fn mismatch(
    path: &Path,
    field: &'static str,
    found: impl Display,
    expected: impl Display,
) -> SharedError {
    SharedError::Mismatch {
        path: path.to_owned(),
        field,
        found: found.to_string(),
        expected: expected.to_string(),
    }
}

fn halves(bytes: [u8; 16]) -> [u64; 2] {
    let number = u128::from_le_bytes(bytes);
    let [low, high] = [number, number >> 64].map(|half| half & u128::from(u64::MAX));
    [low, high].map(|half| u64::try_from(half).expect("masked to 64 bits"))
}
