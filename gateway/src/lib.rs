//! Where the world comes in: sessions and protocols on mio. It does not know the matcher.
//!
//! A client's bytes become a checked [`message::Message`] here, and what the exchange tells becomes a client's
//! bytes. FIX 4.4 and line mode share one message view, one dictionary and one body writer, so that a single
//! translation serves both. Nothing in the codecs does input or output, reads a clock or allocates per message.

pub mod decimal;
pub mod fix;
pub mod gateway;
pub mod limits;
pub mod line;
pub mod market_data;
pub mod message;
pub mod poller;
pub mod port;
pub mod request;
pub mod resend;
pub mod session;
pub mod standing;
pub mod timestamp;
pub mod translate;
pub mod view;
pub mod write;
