//! The `whereof` program.

use std::process::ExitCode;

// Training allocates and frees tensors at every step; the system's allocator made that five times
// slower where it was measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    whereof::cli::run()
}
