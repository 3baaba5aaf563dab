//! Puts the commit that is built into `RIALTO_COMMIT`, read from the repository's own files so that git need
//! not be installed; `unknown` where there is no repository.
use std::fs;
use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let root = Path::new("..");
    let commit = commit(root).unwrap_or_else(|| String::from("unknown"));
    println!("cargo::rustc-env=RIALTO_COMMIT={commit}");
}

fn commit(root: &Path) -> Option<String> {
    let own = repository(root)?;
    let shared = match fs::read_to_string(own.join("commondir")) {
        Ok(path) => own.join(path.trim()),
        Err(_) => own.clone(),
    };
    let head = read(&own.join("HEAD"))?;
    let Some(name) = head.strip_prefix("ref: ") else { return hexadecimal(&head) };
    for folder in [&own, &shared] {
        if let Some(id) = read(&folder.join(name)) {
            return hexadecimal(&id);
        }
    }
    let packed = read(&shared.join("packed-refs"))?;
    let line = packed.lines().find(|line| line.split_whitespace().nth(1) == Some(name))?;
    hexadecimal(line.split_whitespace().next()?)
}

/// The folder that holds HEAD: `.git` itself, or what the file `.git` of a linked checkout names.
fn repository(root: &Path) -> Option<PathBuf> {
    let git = root.join(".git");
    if git.is_dir() {
        return Some(git);
    }
    let link = read(&git)?;
    Some(root.join(link.strip_prefix("gitdir: ")?))
}

fn read(path: &Path) -> Option<String> {
    if path.exists() {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

fn hexadecimal(id: &str) -> Option<String> {
    (id.len() >= 40 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.to_owned())
}
