//! A terminal without line editing: keys come one by one, the screen is drawn whole. It is given back as it was, also
//! when the program panics.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::panic;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The alternate screen without a cursor, and back (ECMA-48, and xterm's private modes 1049 and 25).
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// A terminal in raw mode. Dropping it restores it.
#[derive(Debug)]
pub struct Terminal {
    before: Termios,
}

impl Terminal {
    /// Takes the terminal that standard input and output are.
    pub fn take() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let restored = before.clone();
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |panicked| {
            restore(&restored);
            hook(panicked);
        }));
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
        let terminal = Self { before };
        write(ENTER)?;
        Ok(terminal)
    }

    /// Columns and rows.
    pub fn size(&self) -> (usize, usize) {
        tcgetwinsize(io::stdout()).map_or((80, 24), |size| (size.ws_col.into(), size.ws_row.into()))
    }

    /// Draws the screen anew, row by row, without a moment of emptiness.
    pub fn draw(&self, rows: &[String]) -> io::Result<()> {
        let mut out = String::from("\x1b[H");
        for (index, row) in rows.iter().enumerate() {
            if index > 0 {
                out.push_str("\r\n");
            }
            out.push_str(row);
            out.push_str("\x1b[0m\x1b[K");
        }
        out.push_str("\x1b[J");
        write(&out)
    }

    /// Keys pressed within `wait`.
    pub fn keys(&self, wait: Duration) -> io::Result<Vec<u8>> {
        let stdin = io::stdin();
        let nanoseconds = i64::from(wait.subsec_nanos());
        let timeout = Timespec { tv_sec: wait.as_secs().cast_signed(), tv_nsec: nanoseconds };
        let mut waited = [PollFd::from_borrowed_fd(stdin.as_fd(), PollFlags::IN)];
        match poll(&mut waited, Some(&timeout)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        let mut bytes = [0; 64];
        let count = stdin.lock().read(&mut bytes)?;
        // A terminal that is gone reads as its end: the same as a wish to stop.
        Ok(if count == 0 { vec![b'q'] } else { bytes[..count].to_vec() })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

fn restore(before: &Termios) {
    // There is nobody left to tell if the terminal is gone.
    tcsetattr(io::stdin(), OptionalActions::Now, before).ok();
    write(LEAVE).ok();
}

fn write(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
