//! What sessions promise.
