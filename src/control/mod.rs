//! The mailbox: how a guardian is asked and told, over a Unix socket with one request line and one reply.

pub mod asking;
mod bind;
pub mod client;
mod connection;
mod graveyard;
mod listening;
pub mod listing;
mod notices;
mod output;
mod problem;
pub mod processes;
pub mod protocol;
pub(crate) mod receiving;
mod request_words;
pub mod runtime_dir;
pub mod server;
pub mod socket;
pub mod told;
