//! What is measured of a process on demand: its proportional set and disk traffic. Read by a thread of the dashboard's own, for
//! the kernel lets a reader of smaps_rollup wait for the process (proc_pid_smaps(5)), and nobody should wait with it.

use super::activity::Traffic;
use crate::units::Bytes;
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Proportional set and what it is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pss {
    /// Own pages, and of each shared page the share.
    pub pss: Bytes,
    /// Pages that nobody else has.
    pub private: Bytes,
    /// Swapped out, by share.
    pub swap: Bytes,
}

/// Those measured.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    known: HashMap<u32, Result<Pss, String>>,
}

impl Measures {
    /// The proportional set of a process, if it was measured.
    pub fn pss(&self, pid: u32) -> Option<Bytes> {
        self.known.get(&pid)?.as_ref().ok().map(|pss| pss.pss)
    }

    /// True before anything was measured.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Takes what was found.
    pub fn take(&mut self, found: impl IntoIterator<Item = (u32, Result<Pss, String>)>) {
        self.known.extend(found);
    }

    /// Forgets those that are not among `pids`: their numbers may be another's soon.
    pub fn keep(&mut self, pids: impl IntoIterator<Item = u32>) {
        let pids: std::collections::HashSet<u32> = pids.into_iter().collect();
        self.known.retain(|pid, _| pids.contains(pid));
    }
}

/// What to measure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToMeasure {
    /// The proportional sets of these.
    pub pss: Vec<u32>,
    /// The disk traffic of these together.
    pub traffic: Vec<u32>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// By process.
    pub pss: Vec<(u32, Result<Pss, String>)>,
    /// In all, if it was wanted.
    pub traffic: Option<Traffic>,
}

/// Measures in a thread of its own, one request at a time.
#[derive(Debug, Default)]
pub struct Measurer {
    thread: Option<(SyncSender<ToMeasure>, Receiver<Measured>)>,
    busy: bool,
}

impl Measurer {
    /// True while a request is worked on; another is refused then.
    pub fn is_busy(&self) -> bool {
        self.busy
    }

    /// Begins. False when it is busy, or there can be no thread.
    pub fn ask(&mut self, wanted: ToMeasure) -> bool {
        if self.busy {
            return false;
        }
        if self.thread.is_none() {
            self.thread = start();
        }
        self.busy = self.thread.as_ref().is_some_and(|(ask, _)| ask.try_send(wanted).is_ok());
        self.busy
    }

    /// What was found since, if it is done.
    pub fn found(&mut self) -> Option<Measured> {
        let found = self.thread.as_ref().and_then(|(_, found)| found.try_recv().ok());
        self.busy &= found.is_none();
        found
    }
}

fn start() -> Option<(SyncSender<ToMeasure>, Receiver<Measured>)> {
    let (ask, asked) = sync_channel::<ToMeasure>(1);
    let (tell, told) = sync_channel(1);
    let work = move || {
        while let Ok(wanted) = asked.recv() {
            if tell.send(measure(&wanted)).is_err() {
                return;
            }
        }
    };
    // Nobody waits for it at the end: it may be waiting for a process.
    let thread = std::thread::Builder::new().name("measurer".into()).spawn(work);
    thread.is_ok().then_some((ask, told))
}

fn measure(wanted: &ToMeasure) -> Measured {
    let pss = wanted.pss.iter().map(|pid| (*pid, pss(*pid))).collect();
    let traffic = (!wanted.traffic.is_empty()).then(|| {
        wanted.traffic.iter().filter_map(|pid| traffic(*pid)).fold(
            Traffic::default(),
            |sum, one| Traffic {
                read: sum.read.saturating_add(one.read),
                written: sum.written.saturating_add(one.written),
            },
        )
    });
    Measured { pss, traffic }
}

fn pss(pid: u32) -> Result<Pss, String> {
    let reader = crate::workload::proc_stat::reader_of(pid.cast_signed());
    let text = std::fs::read_to_string(format!("/proc/{reader}/smaps_rollup"));
    let text = text.map_err(|error| error.to_string())?;
    // A zombie has the file and nothing in it.
    rollup(&text).ok_or_else(|| "it has no memory".to_owned())
}

fn rollup(text: &str) -> Option<Pss> {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Bytes(kib.saturating_mul(1024)))
    };
    let private = field("Private_Clean")?.saturating_add(field("Private_Dirty")?);
    Some(Pss { pss: field("Pss")?, private, swap: field("SwapPss").unwrap_or_default() })
}

/// With the children that it waited for (kernel: task_io_accounting). `None` for a process that is gone or not ours to look at.
fn traffic(pid: u32) -> Option<Traffic> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name))?;
        value.trim().parse().ok().map(Bytes)
    };
    Some(Traffic { read: field("read_bytes:")?, written: field("write_bytes:")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_is_read_by_its_names() {
        let text = "55d0-7ffe ---p 00000000 00:00 0 [rollup]\nRss:  900 kB\nPss:  700 kB\nPss_Dirty: 1 kB\n\
                    Private_Clean: 100 kB\nPrivate_Dirty: 500 kB\nSwap: 9 kB\nSwapPss: 8 kB\n";
        let kib = |kib: u64| Bytes(kib << 10);
        let expected = Pss { pss: kib(700), private: kib(600), swap: kib(8) };
        assert_eq!(rollup(text), Some(expected));
        assert_eq!(rollup(""), None);
    }

    #[test]
    fn our_own_is_measured_and_a_stranger_has_a_reason() {
        let mut measurer = Measurer::default();
        let own = std::process::id();
        let wanted = ToMeasure { pss: vec![own, u32::MAX], traffic: vec![own] };
        assert!(measurer.ask(wanted.clone()));
        assert!(!measurer.ask(wanted), "one at a time");
        let found = measurer.thread.as_ref().unwrap().1.recv().unwrap();
        let mut measures = Measures::default();
        measures.take(found.pss);
        assert!(measures.pss(own).is_some_and(|pss| pss > Bytes(0)));
        assert!(measures.known[&u32::MAX].is_err() && found.traffic.is_some());
        measures.keep([u32::MAX]);
        assert_eq!(measures.pss(own), None);
    }
}
