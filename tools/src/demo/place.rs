//! Where a journal lies for a while: a directory of the user's, or one of its own that is removed at the end.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use rialto_bench::flow::Random;

/// A directory for a journal. Dropping one that was made here removes it.
#[derive(Debug)]
pub struct Place {
    dir: PathBuf,
    ours: bool,
}

impl Place {
    /// The directory that the user named, which is made if it is not there and stays at the end.
    pub fn named(dir: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("--data {}: cannot create", dir.display()))?;
        Ok(Self { dir: dir.to_owned(), ours: false })
    }

    /// A new directory `NAME-XXXX` in `parent`, removed at the end. `nonce` should differ from run to run.
    pub fn new_in(parent: &Path, name: &str, nonce: u64) -> anyhow::Result<Self> {
        let mut random = Random::new(nonce);
        loop {
            let letters =
                [(); 4].map(|()| char::from(b'a' + u8::try_from(random.below(26)).expect("a letter")));
            let dir = parent.join(format!("{name}-{}", letters.iter().collect::<String>()));
            match fs::create_dir(&dir) {
                Ok(()) => return Ok(Self { dir, ours: true }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).with_context(|| format!("{}: cannot create", dir.display())),
            }
        }
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_dir_all(&self.dir)
        {
            eprintln!("rialto: {}: cannot remove: {error}", self.dir.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_its_own_is_removed_and_a_named_one_stays() {
        let parent = tempfile::tempdir().unwrap();
        let (first, second) = (
            Place::new_in(parent.path(), "demo", 1).unwrap(),
            Place::new_in(parent.path(), "demo", 1).unwrap(),
        );
        assert_ne!(first.dir(), second.dir());
        fs::write(first.dir().join("node.meta"), "x").unwrap();
        let named = Place::named(&parent.path().join("kept")).unwrap();
        drop((first, second, named));
        let left: Vec<_> =
            fs::read_dir(parent.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["kept"]);
    }
}
