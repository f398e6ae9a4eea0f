//! The mailbox: how a guardian is asked and told, over a Unix socket with one request line and one reply.

mod bind;
pub mod client;
mod connection;
mod listening;
mod notices;
mod output;
pub mod protocol;
pub mod runtime_dir;
pub mod server;
pub mod socket;
mod verbs;
