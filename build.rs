//! Tells the program which commit it was built from, where the source is a checkout of its own.

use std::path::Path;
use std::process::Command;

fn main() {
    // What the program is made of: the commit counts as altered if one of these is.
    for part in ["src", "migrations", "demo", "Cargo.toml", "Cargo.lock", "build.rs"] {
        println!("cargo:rerun-if-changed={part}");
    }
    println!("cargo:rerun-if-env-changed=WHEREOF_COMMIT");
    let given = setting("WHEREOF_COMMIT").filter(|commit| !commit.is_empty());
    if let Some(commit) = given.or_else(commit) {
        println!("cargo:rustc-env=WHEREOF_COMMIT={commit}");
    }
}

/// The commit that is checked out, with `-altered` if the program's source is not what it says;
/// nothing where this is no checkout, or git is not there.
fn commit() -> Option<String> {
    // The source may lie inside another project's repository.
    let root = git(&["rev-parse", "--show-toplevel"])?;
    // As cargo says now: a compiled script may have moved along with its target folder.
    let own = Path::new(&setting("CARGO_MANIFEST_DIR")?).canonicalize().ok()?;
    if Path::new(&root).canonicalize().ok()? != own {
        return None;
    }
    // Each commit and checkout adds a line here. A file that is not there would be looked for, and
    // the program rebuilt, every time.
    for file in ["HEAD", "logs/HEAD"] {
        let path = git(&["rev-parse", "--git-path", file])?;
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    let commit = git(&["rev-parse", "HEAD"])?;
    let source = ["src", "migrations", "demo", "Cargo.toml", "Cargo.lock", "build.rs"];
    let altered = git(&[&["status", "--porcelain", "--"][..], &source[..]].concat())?;
    Some(if altered.is_empty() { commit } else { format!("{commit}-altered") })
}

#[expect(clippy::disallowed_methods, reason = "a build script has no settings but these")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
