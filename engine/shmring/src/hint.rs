//! Hints to the machine about private memory: huge pages behind a large table, and a line that will be read soon. They
//! change how long a program takes and nothing that it computes, and where the machine knows no such hint they do nothing.
//!
//! A table of many megabytes that is read here and there misses the processor's address cache as often as its data
//! caches; behind pages of 2 MiB it does not. They are here because this crate is where the engine's `unsafe` is.

#![expect(unsafe_code, reason = "madvise and prefetch take addresses")]

/// Bytes of an ordinary page, and of what the kernel is asked for.
const PAGE_BYTES: usize = 4096;

/// Asks for huge pages behind all of a vector's room, used and unused. Worth it from some megabytes on; best before the
/// memory is touched for the first time.
pub fn huge_pages<T>(table: &mut Vec<T>) {
    let bytes = table.capacity() * size_of::<T>();
    let start = table.as_mut_ptr().cast::<u8>();
    let skipped = start.align_offset(PAGE_BYTES);
    let whole = bytes.saturating_sub(skipped) / PAGE_BYTES * PAGE_BYTES;
    if whole == 0 {
        return;
    }
    // SAFETY: `skipped` is less than the capacity, which is one allocation, so the address stays inside it.
    let first_page = unsafe { start.add(skipped) };
    // SAFETY: the range lies in memory that `table` owns, and this advice changes no byte of it.
    let advised = unsafe { rustix::mm::madvise(first_page.cast(), whole, rustix::mm::Advice::LinuxHugepage) };
    // A kernel without huge pages says so here; ordinary ones serve as well, only slower.
    let _ = advised;
}

/// Starts to fetch the first cache line of `soon`, and waits for nothing.
#[inline]
pub fn prefetch<T>(soon: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch reads nothing that a program can see and faults at no address.
    unsafe {
        core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(
            std::ptr::from_ref(soon).cast(),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = soon;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_change_nothing() {
        let mut large: Vec<u64> = Vec::with_capacity(1 << 20);
        huge_pages(&mut large);
        large.extend(0..1 << 20);
        huge_pages(&mut large);
        prefetch(&large[77]);
        assert!(large.iter().copied().eq(0..1 << 20));
        let mut small = vec![1u8, 2, 3];
        huge_pages(&mut small);
        huge_pages(&mut Vec::<u64>::new());
        huge_pages(&mut vec![(); 5]);
        assert_eq!(small, [1, 2, 3]);
    }
}
