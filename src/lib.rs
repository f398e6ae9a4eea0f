//! Sentinel ends a workload politely and in time, before the kernel's OOM killer, and says exactly why.
//!
//! ```text
//!  kernel                       edge (I/O)                      core (pure)                   edge (I/O)
//!
//!  memory.events  --EPOLLPRI-----------+
//!  cgroup.events  --EPOLLPRI-----------+
//!  pids.events    --EPOLLPRI-----------+                     +------------------------+
//!  signals        --signalfd-----------+--> guardian -Event->| Policy::handle(e, now) |-> Actions --> guardian
//!  client line    --socket-------------+        |            +-----------+------------+        |
//!  deadline       --timeout------------+        v                        |                     +--> memory.high, cgroup.freeze, cgroup.kill
//!        ^                               workload.look --- Sample ------>|                     +--> signals by pidfd
//!        +----------------------- next_deadline() <----------------------+--> Status --> mailbox, dashboard, summary
//! ```
//!
//! [`policy`] decides and touches nothing; [`guardian`] is the loop; [`workload`] and [`cgroup`] are the kernel's side,
//! [`control`] the mailbox, [`report`] what people read, [`tui`] a client like any other, [`sys`] the only `unsafe`.

pub mod account;
pub mod baseline;
pub mod cgroup;
mod choice;
pub mod cli;
pub mod clock;
pub mod command;
pub mod command_line;
pub mod config;
pub mod control;
pub mod dashboard;
pub mod diagnostics;
pub mod doctor;
pub mod escape;
pub mod event;
pub mod event_loop;
pub mod exporter;
pub mod fair;
pub mod fleet;
pub mod host;
pub mod keeper;
pub mod kernel_file;
pub mod ledger;
pub mod lines;
pub mod metrics;
pub mod nearest;
pub mod pattern;
pub mod placement;
pub mod policy;
pub mod processes;
pub mod remains;
pub mod replay;
pub mod report;
pub mod signal_names;
pub mod status;
pub mod stopper;
pub mod sys;
pub mod systemd;
pub mod targets;
pub mod terminal_modes;
pub mod trace;
pub mod tui;
pub mod units;
pub mod verbs;
pub mod ward;
pub mod watcher;
pub mod witness;
pub mod workload;
