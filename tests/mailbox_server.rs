//! A real server on real sockets, asked by the programs that people ask with, and by some that mean no good.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

#[path = "mailbox_server/asking.rs"]
mod asking;
#[path = "mailbox_server/fixture.rs"]
mod fixture;
#[path = "mailbox_server/hostile.rs"]
mod hostile;
#[path = "mailbox_server/listing.rs"]
mod listing;
#[path = "mailbox_server/peers.rs"]
mod peers;
#[path = "mailbox_server/races.rs"]
mod races;
#[path = "mailbox_server/sockets.rs"]
mod sockets;
#[path = "mailbox_server/watching.rs"]
mod watching;
