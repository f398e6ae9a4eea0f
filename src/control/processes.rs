//! `ctl ps` and `ps NAME`: the guardian's table, and the command lines that are read here, for the guardian must not.

use super::client;
use crate::command_line;
use crate::diagnostics::heard;
use crate::escape::tame;
use crate::report::text::ps_text;
use crate::status::ProcessRow;
use anyhow::{Context as _, Result};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

/// A process that is held up may hold up its reader; the others are shown without it.
const PATIENCE: Duration = Duration::from_secs(1);

/// Asks the guardian at `socket` for its processes and shows them, for programs too. Gives the exit status.
///
/// # Errors
/// As [`client::ctl`].
pub fn show(socket: &Path, json: bool) -> Result<u8> {
    let request = ["ps", "json"].map(str::to_owned);
    let (mut answer, mut refusal) = (Vec::new(), Vec::new());
    let status = client::exchange(socket, &request, &mut answer, &mut refusal)?;
    if status != 0 {
        io::stderr().write_all(&refusal).context("cannot write the answer")?;
        return Ok(status);
    }
    let rows: Vec<ProcessRow> =
        serde_json::from_slice(&answer).context("cannot understand the guardian's processes")?;
    let mut rows: Vec<ProcessRow> = rows.into_iter().map(clean).collect();
    command_line::fill(&mut rows, PATIENCE);
    let text = match json {
        true => serde_json::to_string(&rows).context("cannot render the processes")?,
        false => ps_text(&rows),
    };
    let written = io::stdout().write_all((text + "\n").as_bytes());
    heard(written.context("cannot write the answer")).map(|_| 0)
}

/// Root asks whoever listens.
fn clean(row: ProcessRow) -> ProcessRow {
    ProcessRow { name: tame(&row.name), command: tame(&row.command), ..row }
}
