//! Looks for a broken promise without a nightly compiler: changes the files of a corpus at random, by seed, and knows
//! nothing of coverage. `cargo run -p rialto-checks --example look -- fix_decoder 60 [SEED]` looks for 60 seconds.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rialto_checks::CHECKS;
use rialto_journal::disk::pretend::Random;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let seconds = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(10);
    let seed = arguments.next().and_then(|text| text.parse().ok()).unwrap_or(1);
    let Some((_, check)) = CHECKS.iter().find(|(known, _)| *known == name) else {
        let known: Vec<&str> = CHECKS.iter().map(|(known, _)| *known).collect();
        eprintln!("look NAME SECONDS SEED: NAME is one of {}", known.join(", "));
        std::process::exit(2);
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus").join(&name);
    let mut files: Vec<_> =
        fs::read_dir(folder).expect("a corpus").flatten().map(|entry| entry.path()).collect();
    files.sort();
    let corpus: Vec<Vec<u8>> =
        files.iter().map(|file| fs::read(file).expect("a file of the corpus")).collect();
    let began = Instant::now();
    let (mut random, mut looks) = (Random::new(seed), 0_u64);
    while began.elapsed() < Duration::from_secs(seconds) {
        let bytes = changed(&corpus, &mut random);
        looks += 1;
        let holds = std::panic::catch_unwind(|| check(&bytes)).is_ok();
        if !holds {
            let path = std::env::temp_dir().join(format!("rialto-{name}-{seed}-{looks}"));
            fs::write(&path, &bytes).expect("room for what was found");
            println!("broken after {looks} looks in {:?}, seed {seed}: {}", began.elapsed(), path.display());
            std::process::exit(1);
        }
    }
    println!("{name}: {looks} looks, nothing found");
}

/// One file of the corpus with a few changes.
fn changed(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let (at, any) = (random.below(bytes.len() + 1), random.next_u64().to_le_bytes());
        let count = random.below(12).min(bytes.len() - at);
        match random.below(6) {
            0 => drop(bytes.drain(at..at + count)),
            1 => drop(bytes.splice(at..at, any.into_iter().take(count))),
            2 => {
                let other = &corpus[random.below(corpus.len())];
                let (from, most) = (random.below(other.len() + 1), random.below(64));
                let part = other[from..].iter().take(most).copied().collect::<Vec<u8>>();
                drop(bytes.splice(at..at, part));
            }
            3 => bytes[at..at + count].copy_from_slice(&vec![any[0]; count]),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (any[0] % 8);
                }
            }
        }
    }
    bytes
}
