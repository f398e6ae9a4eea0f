//! Several real guardians: `sentinel ps`, `sentinel top`, and who is meant by a name. Each test has a /run and a /tmp of its own, so
//! that it sees its own guardians alone, and its keys end nobody else's.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

#[path = "fleet/crowded.rs"]
mod crowded;
#[path = "fleet/impostors.rs"]
mod impostors;
#[path = "fleet/naming.rs"]
mod naming;
#[path = "fleet/ps.rs"]
mod ps;
#[path = "fleet/stage.rs"]
mod stage;
mod support;
#[path = "fleet/top.rs"]
mod top;
