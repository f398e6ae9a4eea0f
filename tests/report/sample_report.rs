//! Writes HTML pages into a directory: `sample_report DIRECTORY [POST-MORTEM.json]`, the made-up ones or that of a real run.

mod sample;

use anyhow::{Context as _, Result};
use std::path::Path;

fn main() -> Result<()> {
    let mut args = std::env::args_os().skip(1);
    let directory = args.next().context("no directory was named")?;
    let write = |name: &str, report: &_| {
        let path = Path::new(&directory).join(name).with_extension("html");
        let page = sentinel::report::html::page(report);
        std::fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
    };
    match args.next() {
        Some(file) => write("report", &serde_json::from_slice(&std::fs::read(file)?)?),
        None => sample::all().iter().try_for_each(|(name, report)| write(name, report)),
    }
}
