//! The command `sentinel`.

fn main() {}
