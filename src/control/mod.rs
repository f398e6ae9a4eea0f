//! The mailbox: how a guardian is asked and told, over a Unix socket with one request line and one reply.

pub mod protocol;
mod verbs;
