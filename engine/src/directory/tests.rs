//! What the directory promises.
