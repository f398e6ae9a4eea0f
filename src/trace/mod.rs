//! A recorded run: all that the policy got, with its time, and what it did about it, as lines of JSON (`--record FILE`).
//! Written by a process of its own, so that no disk holds the guardian up; read again by `sentinel replay`.

mod changes;
pub mod deed;
pub mod format;
mod picture;
mod player;
pub mod queue;
pub mod reader;
pub mod replay;
mod screening;
pub mod scribe;
pub mod verb;
pub mod what_if;
mod what_if_text;
pub mod writer;
