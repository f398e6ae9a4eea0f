//! A recorded run: all that the policy got, with its time, and what it did about it, as lines of JSON (`--record FILE`).
//! Written by a process of its own, so that no disk holds the guardian up; read again by `sentinel replay` ([`crate::replay`]).

pub mod deed;
pub mod format;
pub mod queue;
pub mod reader;
pub mod scribe;
pub mod writer;
