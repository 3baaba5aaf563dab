//! Where the world comes in: sessions and protocols on mio. It does not know the matcher.

pub mod view;
