//! Binding a thread to a core.

/// Binds the calling thread to a core, by the system's number of it; whether that was allowed.
pub fn current_thread(core: usize) -> bool {
    core_affinity::set_for_current(core_affinity::CoreId { id: core })
}

/// The cores that the calling thread may run on; empty if the system does not say.
pub fn cores() -> Vec<usize> {
    core_affinity::get_core_ids().unwrap_or_default().into_iter().map(|core| core.id).collect()
}
