//! `sentinel top`: all guardians of the machine, live, one line each, and the dashboard of the one that is chosen. A client of their
//! mailboxes like any other: what it shows they told, what it does it asks them for.

mod details;
mod link;
mod member;
mod session;
pub mod state;
pub mod view;

use super::outlet::Outlet;
use super::signals::HeldSignals;
use super::terminal;
use crate::cli::TopArgs;
use crate::fleet::choose;
use crate::sys::terminal::is_terminal;
use crate::terminal_modes::is_dumb;
use anyhow::{Result, ensure};
use std::os::fd::AsFd as _;

/// Runs it until the user leaves. Gives the exit status.
///
/// # Errors
/// Nobody is called so, or there is no terminal.
pub fn run(wanted: &TopArgs) -> Result<u8> {
    let (input, output) = (std::io::stdin(), std::io::stdout());
    let terminals = is_terminal(input.as_fd()) && is_terminal(output.as_fd());
    ensure!(terminals, "top needs a terminal; without one: sentinel ps");
    ensure!(!is_dumb(), "top cannot draw on a terminal of type dumb; there: sentinel ps");
    let chosen = wanted.guardian.as_deref().map(choose::find).transpose()?;
    let signals = HeldSignals::hold()?;
    terminal::restore_on_panic();
    let outlet = Outlet::open()?;
    let guard = terminal::Guard::enter(&outlet)?;
    let ended = match &chosen {
        Some(listed) => session::only(listed, &guard, &outlet),
        None => session::TopSession::new(signals).run(&guard, &outlet).map(|()| None),
    };
    drop(guard);
    if let Some(text) = ended? {
        crate::diagnostics::complain(&text);
    }
    Ok(0)
}
