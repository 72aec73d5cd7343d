//! Rebuilds when a shipped provider document is added or removed, which `include_dir!` cannot see.

fn main() {
    println!("cargo::rerun-if-changed=providers");
}
