//! What is to be run, and as whom.

use crate::sys::privileges::Identity;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A program, ready to be run: everything that exec needs is made before the fork.
#[derive(Debug)]
pub struct Program {
    pub(super) path: CString,
    pub(super) arguments: Vec<CString>,
    pub(super) environment: Vec<CString>,
    /// Replacements for standard input, output and error.
    pub standard: [Option<OwnedFd>; 3],
    /// Whom to become.
    pub identity: Option<Identity>,
    /// Whether no program that it runs gains privileges.
    pub no_new_privs: bool,
}

impl Program {
    /// The program at `path` with these arguments (the first is its name) and our environment.
    ///
    /// # Errors
    /// When a word holds a NUL, which no word from an exec can.
    pub fn new(path: &Path, arguments: &[OsString]) -> io::Result<Program> {
        let environment = std::env::vars_os().map(|(mut pair, value)| {
            pair.push("=");
            pair.push(value);
            c_string(&pair)
        });
        Ok(Program {
            path: c_string(path.as_os_str())?,
            arguments: arguments.iter().map(|word| c_string(word)).collect::<Result<_, _>>()?,
            environment: environment.collect::<Result<_, _>>()?,
            standard: [None, None, None],
            identity: None,
            no_new_privs: false,
        })
    }

    /// Sets a variable of its environment, or replaces it.
    ///
    /// # Errors
    /// When the value holds a NUL.
    pub fn set_variable(&mut self, name: &str, value: &OsStr) -> io::Result<()> {
        self.remove_variable(name);
        let mut pair = OsString::from(format!("{name}="));
        pair.push(value);
        self.environment.push(c_string(&pair)?);
        Ok(())
    }

    /// Takes a variable out of its environment.
    pub fn remove_variable(&mut self, name: &str) {
        let prefix = format!("{name}=");
        self.environment.retain(|pair| !pair.as_bytes().starts_with(prefix.as_bytes()));
    }
}

fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}
