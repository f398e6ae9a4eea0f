//! Sentinel: ends a workload politely and in time, before the kernel's OOM killer, and says exactly why.

pub mod cgroup;
pub mod clock;
pub mod control;
pub mod event;
pub mod policy;
pub mod report;
pub mod status;
pub mod sys;
pub mod tui;
pub mod units;
