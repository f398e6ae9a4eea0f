//! The mailbox of a real guardian: it answers every client, in every state, whatever others do to it.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "mailbox/access.rs"]
mod access;
#[path = "mailbox/clients.rs"]
mod clients;
#[path = "mailbox/crowds.rs"]
mod crowds;
#[path = "mailbox/descriptors.rs"]
mod descriptors;
#[path = "mailbox/hostile.rs"]
mod hostile;
#[path = "mailbox/metrics.rs"]
mod metrics;
#[path = "mailbox/on_breach.rs"]
mod on_breach;
#[path = "mailbox/places.rs"]
mod places;
#[path = "mailbox/screens.rs"]
mod screens;
#[path = "mailbox/states.rs"]
mod states;
mod support;
#[path = "mailbox/verbs.rs"]
mod verbs;
