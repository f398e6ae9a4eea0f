//! `sentinel replay`: a trace through the policy again. Whether it leads to the same decisions, what other rules would have done, and
//! the run shown as it was, as text or in the dashboard.

mod changes;
pub mod compare;
mod picture;
mod player;
mod screening;
pub mod verb;
pub mod what_if;
mod what_if_text;
