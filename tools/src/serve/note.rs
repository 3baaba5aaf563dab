//! What a dying process leaves behind: which message it had in hand. A message that trips an assertion is in no journal;
//! the next start refuses it, in a numbered answer, instead of meeting it again.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rialto_engine::ports::InHand;

/// The note's file.
#[derive(Debug, Clone)]
pub struct PanicNote(PathBuf);

impl PanicNote {
    /// The note of the node in `dir`.
    pub fn in_dir(dir: &Path) -> Self {
        Self(dir.join("refuse.note"))
    }

    /// Session and number of the message to refuse.
    pub fn read(&self) -> io::Result<Option<(u32, u32)>> {
        let text = match std::fs::read_to_string(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut numbers = text.split_whitespace().map(str::parse);
        Ok(match (numbers.next(), numbers.next()) {
            (Some(Ok(session)), Some(Ok(number))) => Some((session, number)),
            _ => None,
        })
    }

    /// The message was refused.
    pub fn remove(&self) -> io::Result<()> {
        std::fs::remove_file(&self.0)
    }

    /// From now on a panic of this process writes the note, if the matcher has a message in hand.
    pub fn on_panic(self, in_hand: Arc<InHand>) {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if let Some((session, number)) = in_hand.message()
                && let Err(error) = std::fs::write(&self.0, format!("{session} {number}\n"))
            {
                eprintln!("{}: cannot write: {error}", self.0.display());
            }
            before(info);
        }));
    }
}
