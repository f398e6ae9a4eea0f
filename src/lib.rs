//! Sentinel: ends a workload politely and in time, before the kernel's OOM killer, and says exactly why.

pub mod clock;
pub mod event;
pub mod policy;
pub mod report;
pub mod status;
pub mod tui;
pub mod units;
